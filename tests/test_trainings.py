"""Trainings as jobs: what they leave behind, however they end, and how they wait beside runs."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import replace

import pytest
import torch

from workbench.core.errors import Incompatible, NotFinite, StoreError, UsageError
from workbench.core.paths import ROOT
from workbench.core.records import RunState, TrainingConfig
from workbench.core.weights import has_weights, read_card, save_weights
from workbench.engine.model_cache import ModelCache
from workbench.engine.presets import default_config
from workbench.priors.gan import GAN
from workbench.priors.training import loop
from workbench.priors.training.registry import TRAINERS
from workbench.runs.control import RunControl
from workbench.runs.ledger import FolderLedger
from workbench.runs.store import RunStore
from workbench.scenarios import SCENARIOS
from workbench.targets.recipes import recipe_for
from workbench.trainings.estimates import training_estimate
from workbench.trainings.execute import carry_out
from workbench.trainings.staging import discard, promote, staged_name
from workbench.trainings.start import alone, checkpoint_path, train_prior, training_problems
from workbench.workers.scheduler import Scheduler

NAME = "digits/prior-gan"
FEW = {"vae_steps": "10", "gan_steps": "10", "batch": "4"}


def config(**changes) -> TrainingConfig:
    return TrainingConfig(**{"what": "prior", "scenario": "digits", "prior": "gan", "recipe": FEW, **changes})


def wait_for(condition, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


@pytest.fixture
def store(tmp_path_factory) -> RunStore:
    return RunStore(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def quick_reports(monkeypatch):
    monkeypatch.setattr(loop, "EVERY", 4)
    monkeypatch.setattr(loop, "SAVE_EVERY", 8)
    # What is kept at each of them is settled on a few samples.
    monkeypatch.setattr(loop, "_draws", lambda model, _, __, rng, whole=loop._draws: whole(model, 2, 16, rng))
    monkeypatch.setattr(GAN, "shown", 100)


@pytest.fixture(autouse=True)
def _few_public_images(monkeypatch):
    """Comparing thousands of public images with the private ones takes seconds, and nothing here looks at what is learned."""
    digits = type(SCENARIOS["digits"]())
    monkeypatch.setattr(digits, "public", lambda self, folder=None, whole=digits.public: whole(self, folder)[:200])


class StopAt(RunControl):
    """Stops by itself when it is asked for the n-th time."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.left = n

    @property
    def stopped(self) -> bool:
        self.left -= 1
        return self.left < 0


def carried_out(store: RunStore, given: TrainingConfig, control: RunControl | None = None):
    folder = store.create_training(given)
    state = carry_out(given, folder, ModelCache("cpu"), control=control or RunControl(), ledger=store)
    return folder, state


# Carrying out


@pytest.mark.usefixtures("models", "quick_reports")
def test_a_training_leaves_weights_losses_and_samples(store):
    folder, state = carried_out(store, config())
    assert state is RunState.FINISHED and folder.state() is state
    card = read_card(NAME)
    assert card["finished"] and card["steps"] == 20
    assert folder.progress() | {"seconds": 0} == {"step": 20, "total": 20, "seconds": 0, "left": 0.0}
    assert folder.sampled() == [8, 16, 20] and folder.samples(8)[:4] == b"RIFF"
    lines = folder.losses().splitlines()
    heads = [line for line in lines if line.startswith("step")]
    assert heads[0] == "step,seconds,reconstruction,kl" and len(heads) == 2, "the second phase has more losses"
    assert lines[-1].startswith("20,") and len(lines[-1].split(",")) == len(heads[-1].split(","))
    summary = store.summary(folder.id)
    assert (summary.kind, summary.attack, summary.steps) == ("training", "gan", 20) and summary.seconds >= 0
    assert not has_weights(staged_name(NAME)) and not checkpoint_path("digits", "gan").exists()


@pytest.mark.usefixtures("models", "quick_reports")
def test_a_stopped_training_is_resumed_where_it_was(store):
    folder, state = carried_out(store, config(), StopAt(2))  # the reports come at steps 1, 5, 8, 9, ...
    assert state is RunState.STOPPED and "stopped at step 8" in folder.manifest()["reason"]
    assert checkpoint_path("digits", "gan").exists()
    assert read_card(NAME)["steps"] == 8, "there were none before, so what there is may be used"
    again, state = carried_out(store, config(resume=True))
    assert state is RunState.FINISHED
    assert int(again.losses().splitlines()[1].split(",")[0]) == 9
    assert read_card(NAME)["finished"]


@pytest.mark.slow
@pytest.mark.usefixtures("models", "quick_reports")
def test_stopping_between_checkpoints_loses_nothing(store):
    carried_out(store, config(), StopAt(1))
    again, _ = carried_out(store, config(resume=True))
    assert int(again.losses().splitlines()[1].split(",")[0]) in (6, 8), "it went on after step 5"


@pytest.mark.usefixtures("quick_reports")
@pytest.mark.parametrize("end", ["fails", pytest.param("is stopped", marks=pytest.mark.slow)])
def test_the_weights_before_stay_when_a_training(end, store, models, monkeypatch):
    carried_out(store, config())
    before = read_card(NAME)["sha256"]
    trainer = TRAINERS["gan"]

    def poor(setting, recipe):
        made = trainer(setting, recipe)
        step = made.step

        def diverging(n, rng):
            if n > 12:
                raise NotFinite("it diverged")
            return step(n, rng)

        made.step = diverging
        return made

    if end == "fails":
        monkeypatch.setitem(TRAINERS._entries, "gan", replace(TRAINERS.entry("gan"), item=poor))
    folder, state = carried_out(store, config(seed=3), RunControl() if end == "fails" else StopAt(4))
    assert state is (RunState.FAILED if end == "fails" else RunState.STOPPED)
    assert folder.sampled() == [8], "it came as far as a checkpoint"
    assert read_card(NAME)["sha256"] == before
    assert not has_weights(staged_name(NAME))
    if end == "fails":
        assert "it diverged" in folder.manifest()["reason"]


@pytest.mark.usefixtures("models")
def test_what_nobody_meant_is_kept_as_a_file(store, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("out of luck")

    monkeypatch.setattr("workbench.trainings.execute.reports", broken)
    folder, state = carried_out(store, config())
    assert state is RunState.FAILED and folder.manifest()["reason"] == "RuntimeError: out of luck"
    assert "Traceback" in (folder.path / "error.txt").read_text()


@pytest.mark.usefixtures("models", "quick_reports")
def test_the_next_run_sees_the_new_weights(store):
    cache = ModelCache("cpu")
    carried_out(store, config())
    old = cache.prior("digits", "gan")
    given = config(seed=1)
    folder = store.create_training(given)
    carry_out(given, folder, cache, control=RunControl(), ledger=FolderLedger(folder))
    assert cache.prior("digits", "gan") is not old


def test_a_target_is_trained_the_same_way(store, models, monkeypatch):
    monkeypatch.setattr("workbench.trainings.execute.recipe_for", lambda *given: replace(recipe_for(*given), epochs=1))
    folder, state = carried_out(store, TrainingConfig("target", "digits", target="softmax"))
    assert state is RunState.FINISHED
    assert folder.progress()["total"] == 1 and "loss" in folder.losses()
    assert has_weights("digits/target-softmax")


# Staging


CARD = {"recipe": {"steps": 9}, "seed": 0, "data": "d", "public_images": 5, "quality": "quick"}


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("old", "new", "better"),
    [
        (None, {"finished": False, "steps": 3}, True),
        ({"finished": True, "steps": 9}, {"finished": True, "steps": 9}, True),
        ({"finished": True, "steps": 9}, {"finished": False, "steps": 9}, False),
        ({"finished": False, "steps": 3}, {"finished": False, "steps": 6}, True),
        ({"finished": False, "steps": 6}, {"finished": False, "steps": 3}, False),
        ({"finished": False, "steps": 3}, {"finished": False, "steps": 6, "seed": 1}, False),
        ({"steps": 3}, {"finished": False, "steps": 6}, False),
    ],
)
def test_weights_are_replaced_by_better_ones_alone(old, new, better):
    if old is not None:
        save_weights("a/b", {"x": torch.zeros(1)}, CARD | old)
    save_weights(staged_name("a/b"), {"x": torch.ones(1)}, CARD | new)
    assert promote("a/b") is better
    assert has_weights(staged_name("a/b")) is not better
    discard("a/b")
    assert not has_weights(staged_name("a/b"))
    assert (read_card("a/b") == CARD | new | {k: read_card("a/b")[k] for k in ("sha256", "bytes")}) is better


@pytest.mark.usefixtures("models")
def test_nothing_staged_replaces_nothing():
    assert promote("a/b") is False
    discard("a/b")


# Whether it can start


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (config(), None),
        (config(what="cake"), "'cake' cannot be trained"),
        (config(scenario="digit"), "Did you mean 'digits'"),
        (config(prior="gam"), "Did you mean 'gan'"),
        (config(prior=None), "No prior named"),
        (config(target="resnet"), "has no target"),
        (config(defense="moat"), "No defense named 'moat'"),
        (config(quality="best"), "not a quality"),
        (config(seed=-1), "out of range"),
        (TrainingConfig("target", "digits", target="softmax"), None),
        (TrainingConfig("target", "digits", target="softmaxx"), "Did you mean 'softmax'"),
    ],
)
def test_what_keeps_a_training_from_starting_is_said(given, words):
    found = training_problems(given)
    assert bool(found) is (words is not None)
    if words:
        assert words in " ".join(found)


def test_public_images_are_looked_for_under_the_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path))
    (problem,) = training_problems(config(scenario="lfw"))
    assert str(tmp_path / "lfw-public") in problem
    (tmp_path / "lfw-public").mkdir()
    assert training_problems(config(scenario="lfw")) == []
    assert training_problems(config(scenario="faces")) == [], "grey faces may use those of the lender"


@pytest.mark.usefixtures("models", "quick_reports")
def test_two_processes_do_not_train_one_prior():
    with alone(checkpoint_path("digits", "gan")):
        with pytest.raises(UsageError, match="Another process is training digits-prior-gan"):
            next(train_prior("digits", "gan", recipe=FEW))
    assert next(train_prior("digits", "gan", recipe=FEW)).step == 1


def test_a_tuned_prior_wants_its_target(models, monkeypatch):
    monkeypatch.setattr(GAN, "tuned", True)
    found = " ".join(training_problems(config(target="resnet")))
    assert "train target --arch resnet" in found and "train prior --scenario digits --prior gan" in found


# How long


@pytest.mark.usefixtures("models")
def test_the_length_is_judged_by_the_nearest_kin():
    assert training_estimate(config()).seconds is None
    made = {"recipe": {"vae_steps": 10, "gan_steps": 30}, "device": "cpu", "quality": "quick"}
    save_weights("lfw/prior-gan", {}, made | {"steps": 20, "seconds": 100.0})
    other = training_estimate(config())
    assert other.seconds == pytest.approx(100 * 2 / 4), "twice the steps, a quarter of the pixels"
    assert "lfw/prior-gan" in other.basis and "20 of 40 steps" in other.basis and "scaled by 0.25" in other.basis
    save_weights(NAME, {}, made | {"steps": 40, "seconds": 60.0, "threads": 1})
    own = training_estimate(config())
    assert own.seconds == 60 and NAME in own.basis and "scaled" not in own.basis
    assert training_estimate(config(), "cuda").seconds is None
    assert training_estimate(config(quality="full")).seconds is None


# Store


def test_runs_and_trainings_are_told_apart(store):
    run = store.create(default_config("faces", "mi-face", target="softmax", classes=[0]), shape=(1, 64, 64))
    training = store.create_training(config(), expected=3.0)
    assert [s.id for s in store.list()] == [run.id]
    assert [s.id for s in store.list(kind="training")] == [training.id]
    assert len(store.list(kind=None)) == 2
    assert store.job(run.id) == run and store.job(training.id) == training
    with pytest.raises(StoreError, match="no run"):
        store.folder(training.id)
    with pytest.raises(StoreError, match="no training"):
        store.training(run.id)
    with pytest.raises(StoreError):
        store.training("../" + run.id)
    assert training.config() == config() and training.progress() == {} and training.sampled() == []
    with pytest.raises(StoreError, match="Stop it first"):
        store.delete(training.id)
    assert [s.id for s in store.waiting()] == [run.id, training.id]
    store.update(training.id, RunState.RUNNING)
    assert store.mark_interrupted("gone") == [training.id], "what waits goes on waiting"
    store.delete(training.id)
    assert not training.path.exists() and not store.list(kind="training")


def test_a_store_of_before_is_brought_up_to_date(tmp_path):
    store = RunStore(tmp_path)
    store.create(default_config("faces", "mi-face", target="softmax", classes=[0]), shape=(1, 64, 64))
    with closing(sqlite3.connect(tmp_path / "index.sqlite")) as db:
        db.execute("ALTER TABLE runs DROP COLUMN kind")
    assert [s.kind for s in RunStore(tmp_path).list()] == ["run"]


# In the queue, by the real worker


@pytest.fixture
def scheduler(store, models):
    scheduler = Scheduler(store, device="cpu", threads=1).start()
    yield scheduler
    scheduler.close()


LONG = {"vae_steps": "100000", "gan_steps": "0", "batch": "2"}


def test_a_training_waits_goes_stops_and_is_resumed(scheduler, store):
    first = scheduler.train(config(recipe=LONG))
    second = scheduler.train(TrainingConfig("target", "digits", target="softmax"))
    folder = store.training(first)
    wait_for(lambda: folder.progress().get("left"))
    assert (scheduler.position(first), scheduler.position(second)) == (0, 1)
    assert scheduler.eta(second) == pytest.approx(folder.progress()["left"], rel=0.5)
    with pytest.raises(Incompatible, match=f"is being trained already, as {first}"):
        scheduler.train(config())
    scheduler.stop(second)
    assert store.summary(second).state is RunState.STOPPED
    scheduler.stop(first)
    wait_for(lambda: store.summary(first).state is RunState.STOPPED)
    reached = folder.progress()["step"]
    again = scheduler.train(config(recipe=LONG, resume=True))
    wait_for(lambda: store.training(again).progress().get("step"))
    assert int(store.training(again).losses().splitlines()[1].split(",")[0]) > reached


@pytest.mark.slow
def test_a_killed_worker_and_a_closed_application_leave_the_training_to_be_resumed(scheduler, store):
    run = scheduler.train(config(recipe=LONG))
    wait_for(lambda: store.training(run).progress().get("step", 0) > 250)
    os.kill(scheduler.worker_pid, signal.SIGKILL)
    wait_for(lambda: store.summary(run).state is RunState.FAILED)
    assert "SIGKILL" in store.summary(run).reason
    again = scheduler.train(config(recipe=LONG, resume=True))
    wait_for(lambda: store.training(again).progress().get("step", 0) > 250)
    scheduler.close()
    assert store.summary(again).state is RunState.FAILED and "interrupted" in store.summary(again).reason
    assert checkpoint_path("digits", "gan").exists() and has_weights(NAME)


# Tuned to a defended target


@pytest.mark.parametrize(
    ("shipped", "said"),
    [(True, "tuned to the undefended target"), pytest.param(False, "plain GAN", marks=pytest.mark.slow)],
)
def test_a_prior_for_a_defended_target_starts_from_the_undefended_ones(shipped, said, models):
    wanted = ["prior-gan", "target-resnet-mid", *(["prior-conditional-gan-for-resnet"] if shipped else [])]
    (models / "digits").mkdir()
    for name in wanted:
        for kind in ("json", "safetensors"):
            shutil.copy(ROOT / "models" / "digits" / f"{name}.{kind}", models / "digits")
    images = torch.rand(24, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    few = {"steps": "1", "batch": "4", "per_class": "3"}
    last = [*train_prior("digits", "conditional-gan", target="resnet", defense="mid", public=images, recipe=few)][-1]
    card = read_card("digits/prior-conditional-gan-for-resnet-mid")
    assert last.step == 1 and said in card["paper"] and card["defense"] == "mid"
