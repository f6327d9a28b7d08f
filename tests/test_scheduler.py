"""The scheduler with its real worker process: queueing, killing, closing."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass

import pytest
import torch

from workbench.core.errors import Incompatible, KnobError, StoreError, UnknownName
from workbench.core.paths import models_dir
from workbench.core.records import RunConfig, RunState
from workbench.engine.model_cache import ModelCache
from workbench.engine.presets import default_config
from workbench.runs import job_folder
from workbench.runs.store import RunStore
from workbench.workers.jobs import open_job
from workbench.workers.protocol import Do, Report, Said, WorkerCommand
from workbench.workers.scheduler import GRACE, Scheduler
from workbench.workers.worker import DEVICE_LOST, Worker
from workbench.workers.worker_process import WorkerProcess

SHAPE = (1, 32, 32)  # of a digit, whose judges are quick


def config(steps: int = 20000, **overrides) -> RunConfig:
    return default_config(
        "digits",
        "mi-face",
        target="softmax",
        device="cpu",
        knobs={"steps": steps, "stop_cost": 0, "patience": 5000, "lr": 0.0001},
        **{"classes": [0, 1], **overrides},
    )


def wait_for(condition, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


@pytest.fixture(scope="module", autouse=True)
def _nobody_judges(tmp_path_factory):
    """Give workers the one target that is attacked here and no evaluator: judging takes each of them seconds."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "digits").mkdir()
    for kind in ("json", "safetensors"):
        shutil.copy(models_dir() / "digits" / f"target-softmax.{kind}", folder / "digits")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_MODELS", str(folder))
        yield


@dataclass(frozen=True)
class Left:
    """What an application left when it closed in the middle of a run, as its store has it before the next one."""

    run: str
    waiting: str
    states: tuple[RunState, RunState]
    reason: str


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """One application for many tests, and what the one before it in this folder left.

    A worker takes seconds to start, and as many to judge for the first time.
    """
    store = RunStore(tmp_path_factory.mktemp("application") / "runs")
    first = Scheduler(store, device="cpu", threads=1).start()
    run, waiting = first.submit(config()), first.submit(config())
    wait_for(lambda: store.folder(run).latest())
    first.close()
    left = Left(run, waiting, (state(store, run), state(store, waiting)), store.summary(run).reason)
    first.pause(run)  # nobody is there to hear it
    scheduler = Scheduler(RunStore(store.root), device="cpu", threads=1).start()
    yield scheduler, left
    scheduler.close()


@pytest.fixture(scope="module")
def application(begun):
    return begun[0]


@pytest.fixture
def scheduler(application):
    """Return an application in which nothing waits or goes; others have used it before."""
    yield application
    status = application.status()
    for run in (*status["queued"], status["running"]):
        if run is not None:
            application.stop(run)
    wait_for(lambda: application.status()["running"] is None)


@pytest.fixture
def store(request, tmp_path) -> RunStore:
    """Return the store of the application or the worker of a test, an empty one where it has none."""
    for fixture in ("application", "listening"):
        if fixture in request.fixturenames:
            return request.getfixturevalue(fixture).store
    return RunStore(tmp_path / "runs")


def state(store: RunStore, run: str) -> RunState:
    return store.summary(run).state


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_closing_files_the_run_as_interrupted_and_a_new_application_finds_it(application, begun, store):
    again, left = application, begun[1]
    assert left.states == (RunState.FAILED, RunState.QUEUED) and "interrupted" in left.reason
    assert store.folder(left.run).frames()
    wait_for(lambda: state(store, left.waiting) is not RunState.QUEUED)
    assert again.position(left.waiting) == 0
    again.stop(left.waiting)
    wait_for(lambda: again.position(left.waiting) is None)


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
    scheduler.stop(run)
    wait_for(lambda: state(store, run) is RunState.STOPPED)
    assert folder.has_result()


def test_a_waiting_run_can_be_taken_back(scheduler, store):
    first, second = scheduler.submit(config()), scheduler.submit(config())
    scheduler.stop(second)
    assert state(store, second) is RunState.STOPPED
    scheduler.stop(first)


def test_two_applications_cannot_share_a_store(scheduler, store):
    with pytest.raises(StoreError, match="Another workbench is using"):
        Scheduler(RunStore(store.root)).start()


def test_a_run_that_does_not_fit_is_not_queued(scheduler, store):
    before = store.list().total
    with pytest.raises(Incompatible, match="never attacked"):
        scheduler.submit(RunConfig("faces", "gmi", "evaluator", prior="gan", classes=(0,)))
    assert store.list().total == before and not scheduler.status()["queued"]


def test_owners_take_turns(store, monkeypatch):
    scheduler = Scheduler(store)
    monkeypatch.setattr(scheduler, "_start_worker", lambda: None)
    greedy = [scheduler.submit(config(), owner="greedy") for _ in range(3)]
    modest = scheduler.submit(config(), owner="modest")
    assert scheduler.status()["queued"] == [greedy[0], modest, greedy[1], greedy[2]]
    assert scheduler.position(modest) == 2


# Stop in the moment of hand-over


def test_a_stop_right_after_the_start_is_never_lost(scheduler, store):
    runs = []
    for _ in range(20):
        runs.append(scheduler.submit(config()))
        scheduler.stop(runs[-1])
    for run in runs:
        wait_for(lambda run=run: state(store, run).ended)
    assert [state(store, run) for run in runs] == [RunState.STOPPED] * 20


# The worker by itself


class Listening:
    """A real worker process and everything it reported."""

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self.reports: list[Report] = []
        self.ends: list[str] = []
        options = ["--runs", str(store.root), "--device", "cpu", "--threads", "1"]
        self.process = WorkerProcess(options, lambda _, r: self.reports.append(r), lambda _, why: self.ends.append(why))

    def write(self, *lines: bytes) -> None:
        """Send lines in one write."""
        self.process._commands.write(b"".join(lines))
        self.process._commands.flush()

    def said(self, what: Said) -> list[Report]:
        return [report for report in self.reports if report.said is what]


@pytest.fixture(scope="module")
def listening(tmp_path_factory):
    """One worker for many tests."""
    worker = Listening(RunStore(tmp_path_factory.mktemp("worker") / "runs"))
    wait_for(lambda: worker.said(Said.READY))
    yield worker
    worker.process.leave(GRACE)


@pytest.fixture
def worker(listening):
    """Return a worker at nothing, which has said nothing yet."""
    listening.reports.clear()
    return listening


def line(do: Do, run: str, number: int = 0, name: str = "", value: object = None) -> bytes:
    return WorkerCommand(do, run, number, name, value).line().encode()


def test_what_the_worker_does_not_understand_is_refused_and_it_listens_on(worker, store):
    run = store.create(config(), shape=SHAPE).id
    worker.write(line(Do.START, run))
    wait_for(lambda: store.folder(run).latest() is not None)
    worker.write(
        b'{"do": "faster", "run": "x"}\n',
        b"{\n",
        b"\xff\xfe\n",
        b"[]\n",
        b"\n",
        b'{"do": "stop"}\n',
        line(Do.PAUSE, "another", 7),
        line(Do.SET, run, 8, "nothing", 1),
        line(Do.SET, run, 9, "lr", {"a": 1}),
        line(Do.START, "not-here", 10),
        line(Do.PAUSE, run, 11),
    )
    wait_for(lambda: any(report.number == 11 for report in worker.said(Said.DONE)))
    refused = worker.said(Said.REFUSED)
    assert len(refused) == 10 and all(report.message for report in refused)
    assert [report.number for report in refused[-4:]] == [7, 8, 9, 10]
    assert "faster" in refused[0].message and "Did you mean" not in refused[1].message
    wait_for(lambda: state(store, run) is RunState.PAUSED)
    worker.write(line(Do.STOP, run))
    wait_for(lambda: worker.said(Said.ENDED))
    assert state(store, run) is RunState.STOPPED and not worker.ends


def test_commands_in_the_same_breath_as_the_start_count(worker, store):
    stopped, paused = (store.create(config(), shape=SHAPE).id for _ in range(2))
    worker.write(line(Do.START, stopped), line(Do.STOP, stopped))
    wait_for(lambda: worker.said(Said.ENDED))
    assert state(store, stopped) is RunState.STOPPED
    worker.write(line(Do.START, paused), line(Do.PAUSE, paused), line(Do.SET, paused, 0, "lr", 0.5))
    wait_for(lambda: state(store, paused) is RunState.PAUSED)
    assert any(e["kind"] == "knob" and e["value"] == 0.5 for e in store.folder(paused).events())
    assert not worker.said(Said.REFUSED)
    worker.write(line(Do.STOP, paused))
    wait_for(lambda: len(worker.said(Said.ENDED)) == 2)


def test_the_worker_is_not_in_the_terminals_process_group(worker):
    assert os.getpgid(worker.process.pid) != os.getpgid(0) and os.getsid(worker.process.pid) != os.getsid(0)


def test_a_worker_whose_application_is_gone_files_its_run_and_leaves(worker, store):
    """The last test of the worker that many share."""
    run = store.create(config(), shape=SHAPE).id
    worker.write(line(Do.START, run))
    wait_for(lambda: store.folder(run).latest() is not None)
    worker.process._commands.close()
    wait_for(lambda: worker.ends)
    assert worker.ends == ["exit status 0"]
    assert state(store, run) is RunState.FAILED and "interrupted" in store.summary(run).reason


def test_a_job_that_fails_in_every_way_does_not_end_the_worker(store, monkeypatch):
    """Its state cannot be filed either; the application is told so and files it later."""
    monkeypatch.setattr("workbench.workers.worker.os.dup2", lambda *_: None)
    worker = Worker(store, ModelCache("cpu"), fps=10.0)
    job = open_job(store, store.create(config(), shape=SHAPE).id)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(job_folder, "write_atomically", full)
    ended = worker.execute(job)
    assert (ended.said, ended.state, ended.filed) == (Said.ENDED, RunState.FAILED, False)
    assert "No space left" in ended.reason
    monkeypatch.undo()
    shutil.rmtree(job.folder.path)
    ended = worker.execute(job)
    assert ended.state is RunState.FAILED and ended.filed
    assert state(store, job.id) is RunState.DAMAGED


def device_error(*_, **__):
    """Once a CUDA kernel has failed, every use of the device repeats the error."""
    raise torch.AcceleratorError("CUDA error: device-side assert triggered")


def test_a_worker_leaves_once_its_device_computes_no_more(store, monkeypatch):
    monkeypatch.setattr("workbench.workers.worker.os.dup2", lambda *_: None)
    worker, reports = Worker(store, ModelCache("cpu"), fps=10.0), []
    monkeypatch.setattr(worker, "report", reports.append)
    jobs = [open_job(store, store.create(config(), shape=SHAPE).id) for _ in range(4)]

    def broken(*_):
        monkeypatch.setattr("workbench.engine.model_cache.torch.ones", device_error)
        device_error()

    def fails(*_):
        raise ValueError("this run alone")

    ways = (fails, lambda *_: RunState.FINISHED, broken, lambda *_: RunState.FINISHED)
    for job, way in zip(jobs, ways, strict=True):
        monkeypatch.setattr(job, "execute", way)
        worker._controls[job.id] = job.control
        worker._todo.put(job)
    assert worker.work() == DEVICE_LOST
    ended = [report for report in reports if report.said is Said.ENDED]
    assert [(end.run, end.leaving) for end in ended] == [(job.id, job is jobs[2]) for job in jobs[:3]]
    assert "device-side assert" in store.summary(jobs[2].id).reason
    assert state(store, jobs[3].id) is RunState.QUEUED, "the next worker's"


# Damage and a full disk, with the queue going


def test_damaged_runs_in_the_queue_are_passed_over_by_the_same_worker(scheduler, store):
    going = scheduler.submit(config())
    gone, cut, binary, well = (scheduler.submit(config(steps=5)) for _ in range(4))
    wait_for(lambda: store.folder(going).latest() is not None)
    worker = scheduler.worker_pid
    shutil.rmtree(store.folder(gone).path)
    (store.folder(cut).path / "run.json").write_text('{"id": ')
    (store.folder(binary).path / "run.json").write_bytes(bytes(range(256)))
    scheduler.stop(going)
    wait_for(lambda: state(store, well) is RunState.FINISHED)
    assert {state(store, run) for run in (gone, cut, binary)} == {RunState.DAMAGED}
    assert scheduler.worker_pid == worker


@pytest.fixture
def small_disk(tmp_path):
    """Return a folder on a disk of 24 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk takes root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_fails_the_run_and_the_next_one_goes_when_there_is_room(small_disk):
    store = RunStore(small_disk / "runs", room=2e6)
    scheduler = Scheduler(store, device="cpu", threads=1).start()
    try:
        run, waiting = scheduler.submit(config()), scheduler.submit(config(steps=5))
        wait_for(lambda: store.folder(run).latest())
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(b"\0" * 65536):
                pass  # until there is no space left
        wait_for(lambda: scheduler.status()["running"] is None)
        status = scheduler.status()
        assert (status["worker"], status["queued"]) == ("held", [waiting]) and "is full" in status["reason"]
        with pytest.raises(StoreError, match="Free some space"):
            scheduler.submit(config())
        filler.unlink()
        wait_for(lambda: state(store, waiting) is RunState.FINISHED)
        assert state(store, run) is RunState.FAILED and store.summary(run).reason
        assert store.folder(run).frames() and scheduler.status()["worker"] == "ready"
    finally:
        scheduler.close()


def test_a_scheduler_that_was_not_started_queues_and_starts_nothing(tmp_path):
    store = RunStore(tmp_path / "runs")
    scheduler = Scheduler(store, device="cpu", threads=1)
    run = scheduler.submit(config())
    assert scheduler.worker_pid is None
    assert scheduler.status()["queued"] == [run]
