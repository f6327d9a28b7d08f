"""The scheduler with its real worker process: queueing, killing, closing."""

from __future__ import annotations

import os
import signal
import time

import pytest

from workbench.core.errors import Incompatible, KnobError, StoreError, UnknownName
from workbench.core.records import RunConfig, RunState
from workbench.engine.presets import default_config
from workbench.runs.store import RunStore
from workbench.workers.scheduler import Scheduler


def config(steps: int = 20000, **overrides) -> RunConfig:
    return default_config(
        "faces",
        "mi-face",
        target="softmax",
        device="cpu",
        knobs={"steps": steps, "stop_cost": 0, "patience": 5000, "lr": 0.0001},
        **{"classes": [0, 1], **overrides},
    )


def wait_for(condition, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def scheduler(store):
    scheduler = Scheduler(store, device="cpu", threads=1)
    scheduler.start()
    yield scheduler
    scheduler.close()


def state(store: RunStore, run: str) -> RunState:
    return store.summary(run).state


def test_a_killed_worker_fails_its_run_and_the_next_one_runs(scheduler, store):
    long, short = scheduler.submit(config()), scheduler.submit(config(steps=20))
    wait_for(lambda: store.folder(long).latest())
    assert (scheduler.position(long), scheduler.position(short)) == (0, 1)
    assert scheduler.eta(short) > 0
    os.kill(scheduler.worker_pid, signal.SIGKILL)
    wait_for(lambda: state(store, long) is RunState.FAILED)
    assert "SIGKILL" in store.summary(long).reason
    assert store.folder(long).frames()
    wait_for(lambda: state(store, short) is RunState.FINISHED)
    wait_for(lambda: scheduler.position(short) is None)  # the worker files the state before it reports the end


def test_pause_knob_resume_stop_reach_the_worker(scheduler, store):
    run = scheduler.submit(config())
    folder = store.folder(run)
    wait_for(lambda: folder.latest())
    scheduler.pause(run)
    wait_for(lambda: state(store, run) is RunState.PAUSED)
    scheduler.set_knob(run, "lr", "0.5")
    scheduler.resume(run)
    wait_for(lambda: any(e["kind"] == "knob" and e["value"] == 0.5 for e in folder.events()))
    with pytest.raises(KnobError, match="cannot change while"):
        scheduler.set_knob(run, "steps", 5)
    with pytest.raises(UnknownName, match="Did you mean 'lr'"):
        scheduler.set_knob(run, "lrr", 5)
    begun = time.monotonic()
    scheduler.stop(run)
    wait_for(lambda: state(store, run) is RunState.STOPPED)
    assert time.monotonic() - begun < 20
    assert folder.has_result()


def test_a_waiting_run_can_be_taken_back(scheduler, store):
    first, second = scheduler.submit(config()), scheduler.submit(config())
    scheduler.stop(second)
    assert state(store, second) is RunState.STOPPED
    scheduler.stop(first)


def test_two_applications_cannot_share_a_store(scheduler, store):
    with pytest.raises(StoreError, match="Another workbench is using"):
        Scheduler(RunStore(store.root)).start()


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_closing_files_the_run_as_interrupted_and_a_new_application_finds_it(store):
    scheduler = Scheduler(store, device="cpu", threads=1).start()
    run, waiting = scheduler.submit(config()), scheduler.submit(config())
    wait_for(lambda: store.folder(run).latest())
    scheduler.close()
    for each in (run, waiting):
        assert state(store, each) is RunState.FAILED and "interrupted" in store.summary(each).reason
    scheduler.pause(run)  # nobody is there to hear it
    again = Scheduler(RunStore(store.root), device="cpu", threads=1).start()
    try:
        assert store.folder(run).frames()
    finally:
        again.close()


def test_a_run_that_does_not_fit_is_not_queued(scheduler, store):
    with pytest.raises(Incompatible, match="never attacked"):
        scheduler.submit(RunConfig("faces", "gmi", "evaluator", prior="gan", classes=(0,)))
    assert not store.list()


def test_owners_take_turns(store, monkeypatch):
    scheduler = Scheduler(store)
    monkeypatch.setattr(scheduler, "_start_worker", lambda: None)
    greedy = [scheduler.submit(config(), owner="greedy") for _ in range(3)]
    modest = scheduler.submit(config(), owner="modest")
    assert scheduler.status()["queued"] == [greedy[0], modest, greedy[1], greedy[2]]
    assert scheduler.position(modest) == 2
