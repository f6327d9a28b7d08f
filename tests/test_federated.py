"""Federated averaging: who holds what, what a round does, what the server refuses, and models of rounds as targets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from workbench.commands import main
from workbench.core.errors import DataMissing, KnobError, NotFinite, UnknownName, UsageError
from workbench.core.records import RunState, TrainingConfig
from workbench.core.rounds import ModelOfRound, architecture_of
from workbench.defenses.store import load_classifier, target_problem
from workbench.engine.compatibility import problems
from workbench.engine.model_cache import ModelCache
from workbench.engine.presets import default_config
from workbench.federated.answering import Answering
from workbench.federated.averaging import train_federated
from workbench.federated.checks import Reception
from workbench.federated.faults import FAULTS
from workbench.federated.settings import Federation, federation_of
from workbench.federated.splits.base import SPLITS
from workbench.federated.start import bytes_needed, first_model, shares
from workbench.federated.store import chosen, federations, folder_of, forget, model_of, rounds_done, update_of
from workbench.federated.update import State, Update, flat, plus, unflat, weighted_mean, weights_of
from workbench.runs.control import RunControl
from workbench.runs.store import RunStore
from workbench.scenarios import SCENARIOS, Labelled
from workbench.targets import ARCHITECTURES
from workbench.trainings.execute import carry_out
from workbench.trainings.start import training_problems

LABELS = torch.arange(6).repeat_interleave(20)
QUICK = {"rounds": 3, "participants": 3, "epochs": 1}


@pytest.fixture
def few(monkeypatch, models):
    """Make digits a scenario of 120 images, trained as softmax regression, so that a round takes milliseconds."""
    private = SCENARIOS["digits"]().private
    rows = torch.cat([(private.train.labels == c).nonzero()[:20, 0] for c in range(5)])
    train = Labelled(private.train.images[rows], private.train.labels[rows])
    held = Labelled(private.heldout.images[:100], private.heldout.labels[:100])
    monkeypatch.setattr(SCENARIOS["digits"], "private", replace(private, train=train, heldout=held))
    return models


def federation(**knobs) -> Federation:
    return Federation.of("digits", "softmax", {**QUICK, **knobs})


# Who holds what


@pytest.mark.parametrize("key", SPLITS.keys())
def test_a_split_gives_every_image_to_one_participant(key):
    parts = [SPLITS[key](LABELS, 4, 0.3, torch.Generator().manual_seed(s)) for s in (0, 0, 1)]
    assert sorted(torch.cat(parts[0]).tolist()) == list(range(len(LABELS)))
    assert all(torch.equal(a, b) for a, b in zip(*parts[:2], strict=True))


def test_splits_are_what_they_are_called():
    rng = torch.Generator().manual_seed(0)
    counts = [[(LABELS[rows] == c).sum().item() for c in range(6)] for rows in SPLITS["iid"](LABELS, 4, 1.0, rng)]
    assert all(n == 5 for row in counts for n in row)
    owners = SPLITS["person"](LABELS, 6, 1.0, rng)
    assert [LABELS[rows].unique().tolist() for rows in owners] == [[c] for c in range(6)]
    spread = []
    for alpha in (0.05, 100.0):
        parts = SPLITS["dirichlet"](LABELS, 6, alpha, rng)
        spread.append(sum(len(LABELS[rows].unique()) for rows in parts))
    assert spread[0] < 0.6 * spread[1] and spread[1] == 36


# Names


def test_the_name_of_a_model_of_a_round_says_all_of_it():
    fed = Federation.of("faces", "cnn", {"split": "dirichlet", "alpha": "0.1"}, seed=3)
    name = fed.target(7, "participant:3")
    assert name == "cnn@fedavg,split=dirichlet,alpha=0.1,seed=3/007/participant-3"
    parsed = ModelOfRound.parse(name)
    assert federation_of("faces", parsed) == fed and str(parsed) == name
    assert architecture_of(name) == "cnn" and ARCHITECTURES.entry(name).key == "cnn" and name in ARCHITECTURES
    assert fed.target(7, "aggregate") == fed.target(7)


@pytest.mark.parametrize(
    "name", ["cnn@../../x/007/global", "cnn@fedavg/7/global", "cnn@fedavg/007/../x", "@fedavg/007/global"]
)
def test_what_is_no_such_name_is_no_target(name):
    assert ModelOfRound.parse(name) is None
    with pytest.raises(UnknownName):
        target_problem("digits", name)


@pytest.mark.parametrize(
    ("round_", "victim", "why"),
    [
        (4, "global", "rounds 0 to 3"),
        (1, "participant:9", "participant:0 to participant:2"),
        (0, "participant:1", "Before round 1"),
    ],
)
def test_a_round_or_a_victim_that_cannot_be_is_refused(round_, victim, why):
    with pytest.raises(UsageError, match=why):
        federation().target(round_, victim)


# Rounds


def test_every_round_is_kept_and_its_global_model_is_the_mean_of_what_was_sent(few):
    fed = federation()
    reports = list(train_federated(fed))
    assert [r.round for r in reports] == [0, 1, 2, 3] and rounds_done(fed) == 3
    assert reports[-1].accuracy > 0.6 > reports[0].accuracy
    sizes = [len(share) for share in shares(fed, SCENARIOS["digits"]().private.train)]
    for round_ in (1, 2, 3):
        updates = [Update(p, round_, n, update_of(fed, round_, p)) for p, n in enumerate(sizes)]
        before, after = (weights_of(model_of(fed, r)[0]) for r in (round_ - 1, round_))
        assert torch.allclose(flat(plus(before, weighted_mean(updates))), flat(after), atol=1e-6)
    assert sum(f.stat().st_size for f in folder_of(fed).rglob("*.safetensors")) == pytest.approx(
        bytes_needed(fed), rel=0.1
    )


def test_a_training_that_is_cut_short_goes_on_to_the_same_weights(few):
    fed = federation(fault="replay")
    whole = [r.accuracy for r in train_federated(fed)]
    weights = model_of(fed, 3)[0]
    forget(fed)
    going = train_federated(fed)
    next(going), next(going)
    going.close()
    assert rounds_done(fed) == 1
    again = list(train_federated(fed, resume=True))
    assert [r.round for r in again] == [1, 2, 3] and [r.accuracy for r in again] == whole[1:]
    assert all(torch.equal(weights[name], value) for name, value in model_of(fed, 3)[0].items())


def test_a_linear_model_begins_with_nothing_in_it_but_what_it_is_taught(models):
    """As where it is trained on all images: what MI-Face draws then is made of those images, not of the first weights."""
    begun = first_model(federation(), SCENARIOS["digits"]())
    assert not begun.head.weight.any() and begun.arch == "softmax"
    assert first_model(Federation.of("digits", "mlp", QUICK), SCENARIOS["digits"]()).head.weight.any()


def test_some_take_part_in_a_round(few):
    reports = list(train_federated(federation(participation=0.67, participants=3)))
    asked = [tuple(p.number for p in r.participants) for r in reports[1:]]
    assert all(len(numbers) == 2 for numbers in asked) and len(set(asked)) > 1
    with pytest.raises(DataMissing):
        update_of(federation(participation=0.67, participants=3), 1, ({0, 1, 2} - set(asked[0])).pop())


def test_a_mean_is_weighed_by_images():
    updates = [Update(p, 1, n, {"w": torch.tensor([v]), "b": torch.zeros(2)}) for p, n, v in ((0, 1, 4.0), (1, 3, 0.0))]
    assert weighted_mean(updates)["w"] == 1.0
    state = {"b": torch.rand(2, 3), "a": torch.rand(1)}
    assert all(torch.equal(unflat(flat(state), state)[k], v) for k, v in state.items())


# What a participant does wrong


SAID = {
    "nan": "sends NaN",
    "shape": "of shape",
    "boost": "times as long",
    "replay": "in round 1 already",
    "stale": "and this is round",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_who_does_wrong_is_refused_and_named_and_the_round_goes_on(few, fault):
    reports = list(train_federated(federation(fault=fault, participants=4, rounds=2)))
    last = reports[-1].participants
    assert SAID[fault] in last[0].refused and last[0].refused.startswith("Participant 0 ") and last[0].accuracy is None
    assert [p.refused for p in last[1:]] == [""] * 3 and math.isfinite(reports[-1].accuracy)
    assert reports[-1].accuracy > reports[0].accuracy


def test_of_two_updates_nobody_says_which_is_too_long():
    state = {"w": torch.zeros(3)}
    updates = [Update(p, 1, 5, {"w": torch.full((3,), v)}) for p, v in ((0, 1.0), (1, 90.0))]
    assert Reception(state).sort(updates, 1)[1] == {}
    refused = Reception(state).sort([*updates, Update(2, 1, 5, {"w": torch.tensor([1.0, 1.0, 0.0])})], 1)[1]
    assert list(refused) == [1]
    other = Reception(state).sort([Update(0, 1, 5, {"v": torch.zeros(3)})], 1)[1]
    assert "another architecture" in other[0]


def test_a_first_round_of_which_nothing_can_be_taken_ends_the_training(few):
    def other(round_: int, participants: Sequence[int], weights: State) -> list[Update]:
        return [Update(p, round_, 1, {"x": torch.zeros(1)}) for p in participants]

    with pytest.raises(NotFinite, match="Nobody's update could be taken"):
        list(train_federated(federation(), ask=other))


def test_a_round_goes_on_without_those_who_do_not_answer(few):
    fed = federation()
    here = Answering(fed, SCENARIOS["digits"]())

    def two_of_three(round_: int, participants: Sequence[int], weights: State) -> list[Update]:
        return here.ask(round_, participants[:2], weights)

    reports = list(train_federated(fed, ask=two_of_three))
    assert [p.refused for p in reports[-1].participants] == ["", "", "Participant 2 dropped out."]
    assert reports[-1].accuracy > reports[0].accuracy


# As a training, and as a target


def config(**changes) -> TrainingConfig:
    recipe = {name: str(value) for name, value in QUICK.items()}
    return TrainingConfig("federated", "digits", target="softmax", recipe=recipe, **changes)


def test_a_training_is_recorded_and_a_stopped_one_goes_on(few, tmp_path):
    store = RunStore(tmp_path / "runs")
    control = RunControl()
    folder = store.create_training(config())
    state = carry_out(
        config(), folder, ModelCache("cpu"), control=control, ledger=store,
        on_report=lambda report: control.stop() if report.step == 1 else None,
    )  # fmt: skip
    assert state is RunState.STOPPED and rounds_done(federation()) == 1
    again = store.create_training(config(resume=True))
    assert (
        carry_out(config(resume=True), again, ModelCache("cpu"), control=RunControl(), ledger=store)
        is RunState.FINISHED
    )
    heads, *lines = again.losses().splitlines()
    assert "accuracy" in heads and len([line for line in lines if not line.startswith("step")]) == 3


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"recipe": {"split": "fair"}}, "not one of: "),
        ({"recipe": {"rounds": "0"}}, "out of range"),
        ({"target": "cnnn"}, "Did you mean 'cnn'"),
        ({"defense": "bido"}, "without the defenses"),
        ({"recipe": {"epoch": "1"}}, "epochs"),
    ],
)
def test_a_training_that_cannot_be_is_refused_before_it_starts(changes, why):
    assert why in " ".join(training_problems(replace(config(), **changes)))


def test_a_model_of_a_round_is_attacked_like_any_target(few, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_RUNS", str(tmp_path / "store"))
    words = ["--scenario", "digits", "--arch", "softmax"]
    knobs = [f"--set={name}={value}" for name, value in QUICK.items()]
    assert main(["federated", "train", *words, *knobs, "--threads", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("round   3  accuracy 0.")
    fed = federation()
    assert list(federations("digits")) == [fed] and chosen("digits") == fed
    target = fed.target(2, "participant:1")
    assert not problems(default_config("digits", "mi-face", target=target, classes=[1]))
    own = load_classifier("digits", target).state_dict()
    assert torch.equal(own["head.weight"], model_of(fed, 2, "participant:1")[0]["head.weight"])
    command = ["run", "--scenario", "digits", "--attack", "mi-face", "--classes", "1", "--set", "steps=5", "--json"]
    assert main([*command, "--round", "2", "--victim", "participant:1", "--threads", "1"]) == 0
    assert f'"target": "{target}"' in capsys.readouterr().out
    assert main([*command, "--round", "9"]) == 2
    assert "rounds 0 to 3" in capsys.readouterr().err
    assert main(["federated", "list"]) == 0 and "3/3 rounds" in capsys.readouterr().out
    assert main(["federated", "remove", "--scenario", "digits", "--name", fed.label]) == 0
    assert "python -m workbench federated train --scenario digits" in str(target_problem("digits", target))
    with pytest.raises(DataMissing, match="no federated training"):
        chosen("digits")


def test_knobs_of_a_federated_training_are_checked():
    with pytest.raises(KnobError):
        Federation.of("digits", "cnn", {"participation": 0})
