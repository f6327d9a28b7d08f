"""Defenses: what each promises on a toy problem with a known answer, and the formulas they rest on."""

from __future__ import annotations

import pytest
import torch
from conftest import CLASSES, SHAPE, QuadrantVictim
from hypothesis import given
from hypothesis import strategies as st

from workbench.core.defended import DEFENSES, Plan
from workbench.core.errors import Incompatible, KnobError, UnknownName, UsageError
from workbench.core.knobs import configure
from workbench.core.records import Access, RunConfig
from workbench.defenses.released import with_winner
from workbench.targets.view import AveragingView, TargetView, view_of

OUTPUTS = [e.key for e in DEFENSES if e.info["stage"] == "output"]
FIXED = [k for k in OUTPUTS if not DEFENSES[k].learns]  # nothing to train


def images(n: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(seed))


def released(key: str, model=None, **knobs) -> TargetView:
    guarded = configure(DEFENSES[key], knobs).wrap(model or QuadrantVictim())
    return TargetView(guarded, Access.SCORES, num_classes=CLASSES, input_shape=SHAPE)


def bare(x: torch.Tensor) -> torch.Tensor:
    return QuadrantVictim()(x).detach().softmax(1)


# The text that names a defense


@pytest.mark.parametrize(("text", "canonical", "suffix"), [
    ("none", "none", ""), ("rounding", "rounding", ""), ("none+rounding", "rounding", ""),
    ("rounding(step=0.05)", "rounding", ""), ("rounding( step = 0.2 )", "rounding(step=0.2)", ""),
    ("top-k(k=3)", "top-k(k=3)", "")])
def test_one_defense_has_one_text(text, canonical, suffix):
    plan = Plan.of(text)
    assert (str(plan), plan.suffix) == (canonical, suffix) and Plan.of(str(plan)) == plan


@pytest.mark.parametrize("entry", list(DEFENSES), ids=lambda e: e.key)
def test_every_level_of_a_defense_has_a_text_that_reads_back(entry):
    for level in entry.info["levels"]:
        plan = Plan.of(f"{entry.key}({entry.info['strength']}={level})")
        assert Plan.of(str(plan)) == plan and getattr(plan.parts[0].defense, entry.info["strength"]) == level
        assert not set("()+/ ") & set(plan.suffix)


@pytest.mark.parametrize(("text", "error", "words"), [
    ("ronding", UnknownName, "Did you mean 'rounding'"), ("rounding(stp=1)", UnknownName, "Did you mean 'step'"),
    ("rounding(step=9)", KnobError, "allowed: 0.0001 to 0.5"), ("rounding(step)", UsageError, "has no value"),
    ("rounding(", UsageError, "does not name a defense"), ("", UsageError, "does not name a defense"),
    ("rounding+top-k", Incompatible, "both act on the output")])
def test_a_wrong_text_is_refused_in_words(text, error, words):
    with pytest.raises(error, match=words.replace("(", r"\(")):
        Plan.of(text)


# What is released


@pytest.mark.parametrize("key", FIXED)
def test_what_is_released_are_confidences_and_the_class_stays(key):
    x = images(60)
    scores = released(key).scores(x)
    assert scores.shape == (60, CLASSES) and torch.isfinite(scores).all() and (scores >= 0).all()
    assert torch.allclose(scores.sum(1), torch.ones(60), atol=1e-5)
    assert torch.equal(scores.argmax(1), bare(x).argmax(1)) and torch.equal(released(key).labels(x), bare(x).argmax(1))
    assert not torch.allclose(scores, bare(x), atol=1e-3)


@pytest.mark.parametrize("key", FIXED)
def test_the_same_questions_get_the_same_answers_in_another_session(key):
    x = images(5)
    assert torch.equal(released(key).scores(x), released(key).scores(x))


@pytest.mark.parametrize("key", FIXED)
def test_only_defenses_that_say_so_answer_at_random(key):
    door, x = released(key), images(5)
    assert torch.equal(door.scores(x), door.scores(x)) == (not DEFENSES.entry(key).info["random"])


def test_rounded_confidences_are_multiples_of_the_step():
    scores = configure(DEFENSES["rounding"], {"step": 0.25}).wrap(QuadrantVictim()).release(
        torch.tensor([[0.60, 0.30, 0.10, 0.0]]), images(1))
    assert torch.allclose(scores, torch.tensor([[0.5, 0.25, 0.0, 0.0]]))


def test_rounding_everything_away_leaves_the_label():
    flat = QuadrantVictim(sharpness=0.01)
    scores = released("rounding", flat, step=0.5).scores(images(3))
    assert torch.allclose(scores, torch.full((3, CLASSES), 0.25), atol=1.0) and torch.isfinite(scores).all()
    assert torch.equal(scores.argmax(1), flat(images(3)).argmax(1))


def test_top_k_keeps_the_best_and_spreads_the_rest():
    wrapped = configure(DEFENSES["top-k"], {"k": 2}).wrap(QuadrantVictim())
    scores = wrapped.release(torch.tensor([[0.2, 0.5, 0.25, 0.05]]), images(1))
    assert torch.allclose(scores, torch.tensor([[0.125, 0.5, 0.25, 0.125]]))
    whole = configure(DEFENSES["top-k"], {"k": 99}).wrap(QuadrantVictim())
    assert torch.equal(whole.release(bare(images(4)), images(4)), bare(images(4)))


def test_temperature_divides_the_logits():
    x = images(6)
    expected = (QuadrantVictim()(x) / 3).softmax(1)
    assert torch.allclose(released("temperature", temperature=3).scores(x), expected, atol=2e-4)


def test_label_only_releases_a_confidence_of_one():
    scores = released("label-only").scores(images(6))
    assert torch.equal(scores.sort(1).values[:, -1], torch.ones(6)) and (scores.sort(1).values[:, :-1] == 0).all()


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=5), st.integers(0, 2))
def test_the_winner_wins_and_the_others_stay(rows, label):
    scores, labels = torch.tensor(rows), torch.full((len(rows),), label)
    found = with_winner(scores, labels)
    assert torch.equal(found.argmax(1), labels)
    others = torch.arange(3) != label
    assert torch.equal(found[:, others], scores[:, others])


# An attacker who asks again


def test_averaging_approaches_what_was_hidden():
    def distance(asks: int) -> float:
        model = configure(DEFENSES["noise"], {"deviation": 0.5}).wrap(QuadrantVictim())
        door = view_of(model, Access.SCORES, asks=asks, num_classes=CLASSES, input_shape=SHAPE)
        found = (door.scores(images(40)) - bare(images(40))).abs().mean().item()
        assert door.queries == 40 * asks
        return found

    assert distance(64) < 0.6 * distance(1)


def test_an_averaging_view_counts_every_question_and_keeps_the_budget():
    door = view_of(QuadrantVictim(), Access.SCORES, asks=3, num_classes=CLASSES, input_shape=SHAPE, budget=10)
    assert isinstance(door, AveragingView) and door.affordable(5) == 3
    once = TargetView(QuadrantVictim(), Access.SCORES, num_classes=CLASSES, input_shape=SHAPE)
    assert torch.allclose(door.scores(images(1)), once.scores(images(1)))
    assert torch.equal(door.labels(images(1)), once.labels(images(1))) and door.queries == 6
    values, classes = door.top_k(images(1))
    assert torch.equal(classes, once.top_k(images(1))[1]) and torch.allclose(values, once.top_k(images(1))[0])
    assert door.affordable(5) == 0 and isinstance(view_of(QuadrantVictim(), Access.LABEL, num_classes=2, input_shape=SHAPE),
                                                  TargetView)


def test_majority_decides_labels():
    class Fickle(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.turn = 0

        def forward(self, x):
            self.turn += 1
            return torch.nn.functional.one_hot(torch.full((len(x),), 0 if self.turn % 3 == 0 else 2), CLASSES).float()

    door = view_of(Fickle(), Access.LABEL, asks=3, num_classes=CLASSES, input_shape=SHAPE)
    assert door.labels(images(4)).tolist() == [2] * 4


def test_a_run_that_asks_again_is_recorded_as_such():
    config = RunConfig("digits", "gmi", "resnet", classes=(0,), asks=4)
    assert RunConfig.from_json(config.to_json()) == config
    without = {k: v for k, v in config.to_json().items() if k != "asks"}
    assert RunConfig.from_json(without).asks == 1
