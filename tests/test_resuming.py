"""Trainings of classifiers that are cut short go on where they were, and recipes suit how many pictures there are."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace

import pytest
import torch

from workbench.commands import main
from workbench.core.errors import UsageError, WeightsCorrupt
from workbench.core.records import RunState, TrainingConfig
from workbench.core.weights import has_weights, load_weights, read_card
from workbench.defenses import train_target
from workbench.runs.store import RunStore
from workbench.scenarios import SCENARIOS, Labelled, Split
from workbench.targets.architectures import ARCHITECTURES
from workbench.targets.recipes import ClassifierRecipe, suited
from workbench.targets.resuming import checkpoint_of
from workbench.targets.training import train_classifier
from workbench.trainings.estimates import training_estimate
from workbench.trainings.execute import reports
from workbench.trainings.start import resumable
from workbench.workers.scheduler import Scheduler

NAME = "digits/target-mlp"
RECIPE = ClassifierRecipe(epochs=4, batch=100)


@pytest.fixture(scope="module")
def digits():
    """The digits, of which every fifth image is there, whoever asks for them."""
    kind = type(SCENARIOS["digits"]())

    def fewer(self, whole=kind.load_private) -> Split:
        split = whole(self)
        return Split(*(Labelled(part.images[::5], part.labels[::5]) for part in (split.train, split.heldout)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "load_private", fewer)
        yield kind()


def cut_short(digits, recipe: ClassifierRecipe, reports: int) -> None:
    training = train_classifier(digits, "mlp", recipe=recipe)
    for _ in range(reports):
        next(training)
    training.close()


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(("everything", "reports"), [(False, 2), (True, 2), (True, 6)])
def test_what_was_cut_short_ends_with_the_same_weights(digits, everything, reports):
    recipe = replace(RECIPE, everything=everything)
    list(train_classifier(digits, "mlp", recipe=recipe))
    whole, card = load_weights(NAME)
    assert not checkpoint_of(NAME).exists(), "a training that is over leaves none"
    cut_short(digits, recipe, reports)
    assert checkpoint_of(NAME).is_file()
    rest = list(train_classifier(digits, "mlp", recipe=recipe, resume=True))
    again, told = load_weights(NAME)
    assert len(rest) == (2 if everything else 1) * recipe.epochs - reports
    assert whole.keys() == again.keys() and all(torch.equal(whole[k], again[k]) for k in whole)
    assert {k: v for k, v in card.items() if k not in ("seconds",)} == {k: v for k, v in told.items() if k != "seconds"}


@pytest.mark.usefixtures("models")
def test_another_training_does_not_go_on_from_it(digits):
    cut_short(digits, RECIPE, 1)
    with pytest.raises(WeightsCorrupt, match="other images, or another recipe"):
        next(train_classifier(digits, "mlp", recipe=replace(RECIPE, lr=1e-4), resume=True))
    checkpoint_of(NAME).write_bytes(b"no checkpoint")
    with pytest.raises(WeightsCorrupt, match="cannot be resumed"):
        next(train_classifier(digits, "mlp", recipe=RECIPE, resume=True))
    assert len(list(train_classifier(digits, "mlp", recipe=RECIPE))) == 4, "without --resume it is passed over"
    with pytest.raises(UsageError, match="leaves no checkpoint"):
        next(train_target(digits, "mlp", defense="bido", resume=True))


@pytest.mark.usefixtures("models")
def test_the_command_line_resumes(digits, monkeypatch, capsys):
    monkeypatch.setattr("workbench.commands.training.recipe_for", lambda *given: RECIPE)
    cut_short(digits, RECIPE, 3)
    assert main(["train", "target", "--scenario", "digits", "--arch", "mlp", "--resume", "--device", "cpu"]) == 0
    said = capsys.readouterr()
    assert "4/4" in said.err and "3/4" not in said.err and "digits/mlp: held-out accuracy" in said.out


@pytest.mark.slow  # two workers start
def test_a_killed_worker_leaves_a_target_to_be_resumed(models, tmp_path, monkeypatch):
    monkeypatch.setattr("workbench.targets.resuming.EVERY", 0.0)
    store = RunStore(tmp_path / "runs")
    scheduler = Scheduler(store, device="cpu", threads=1).start()
    config = TrainingConfig("target", "digits", target="resnet")

    def wait_for(seen) -> None:
        end = time.monotonic() + 300
        while not seen():
            assert time.monotonic() < end
            time.sleep(0.1)

    try:
        run = scheduler.train(config)
        wait_for(lambda: resumable(config))
        os.kill(scheduler.worker_pid, signal.SIGKILL)
        wait_for(lambda: store.summary(run).state is RunState.FAILED)
        before = store.training(run).progress()["step"]
        again = scheduler.train(replace(config, resume=True))
        wait_for(lambda: store.training(again).progress().get("step"))
        assert int(store.training(again).losses().splitlines()[1].split(",")[0]) in (before, before + 1)
        assert not has_weights("digits/target-resnet")
    finally:
        scheduler.close()


@pytest.mark.parametrize(
    ("images", "epochs", "batch"), [(20, 50, 8), (375, 50, 40), (1000, 20, 40), (5000, 4, 40), (60000, 3, 40)]
)
def test_recipes_suit_how_many_pictures_there_are(images, epochs, batch):
    info = ARCHITECTURES.entry("resnet").info
    found = suited(ClassifierRecipe(), replace(info, seen=20_000), images)
    assert (found.epochs, found.batch) == (epochs, batch)
    judge = suited(ClassifierRecipe(everything=True), replace(info, seen=20_000), images)
    assert judge.epochs <= found.epochs, "it is trained twice"


@pytest.mark.usefixtures("models")
def test_a_first_training_is_judged_by_images_timed_here(digits):
    found = training_estimate(TrainingConfig("target", "digits", target="mlp"))
    assert found.seconds is not None and found.seconds > 0 and "timed on this machine" in found.basis
    list(train_classifier(digits, "mlp", recipe=replace(RECIPE, epochs=2)))
    assert read_card(NAME)["images"] == len(digits.private.train)
    assert NAME in training_estimate(TrainingConfig("target", "digits", target="mlp")).basis


@pytest.mark.usefixtures("models")
def test_a_judges_two_phases_are_counted_as_one_training(digits, monkeypatch):
    recipe = replace(RECIPE, epochs=3, everything=True)
    monkeypatch.setattr("workbench.trainings.execute.recipe_for", lambda *given: recipe)
    told = list(reports(TrainingConfig("target", "digits", target="mlp"), torch.device("cpu")))
    assert [(r.step, r.total) for r in told] == [(k, 6) for k in range(1, 7)]
