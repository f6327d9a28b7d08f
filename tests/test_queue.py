"""The queue by itself, its worker played by a list of what was sent: turns, places, forecasts, refusals, lost disks."""

from __future__ import annotations

import shutil
import threading
import time

import pytest

from workbench.core.errors import StoreError, UsageError
from workbench.core.records import RunConfig, RunState
from workbench.engine.presets import default_config
from workbench.runs.store import RunStore
from workbench.workers import scheduler as scheduling
from workbench.workers.protocol import Do, Report, Said, WorkerCommand
from workbench.workers.scheduler import Scheduler
from workbench.workers.turns import Turns


def config(steps: int = 20, attack: str = "mi-face", **changes) -> RunConfig:
    target = {"target": "softmax"} if attack == "mi-face" else {}
    return default_config(
        "faces", attack, device="cpu", knobs={"steps": steps}, **{"classes": [0], **target, **changes}
    )


class PlayedWorker:
    """A worker that notes what it is told, and answers as the test says."""

    pid = 0

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler, self.sent, self.refusal = scheduler, [], ""

    def send(self, command: WorkerCommand) -> None:
        self.sent.append(command)
        if command.number:
            said = Said.REFUSED if self.refusal else Said.DONE
            self.says(said, command.run, command.number, message=self.refusal)

    def leave(self, grace: float) -> None:
        pass

    def says(self, said: Said, *fields, **more) -> None:
        self.scheduler._heard(self, Report(said, *fields, **more))

    def told(self, do: Do) -> list[str]:
        return [command.run for command in self.sent if command.do is do]


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "runs", room=0)


@pytest.fixture
def opened(store, monkeypatch):
    """Return a function that opens an application on the store, whose worker is played and ready."""
    monkeypatch.setattr(scheduling, "LOOK", 0.01)

    def begin(scheduler: Scheduler) -> None:
        scheduler._worker = PlayedWorker(scheduler)

    monkeypatch.setattr(Scheduler, "_start_worker", begin)
    applications = []

    def application() -> Scheduler:
        scheduler = Scheduler(store, device="cpu", threads=1).start()
        scheduler._worker.says(Said.READY, device={"type": "cpu"})
        applications.append(scheduler)
        return scheduler

    yield application
    for scheduler in applications:
        scheduler.close()


@pytest.fixture
def queue(opened) -> Scheduler:
    return opened()


def wait_for(condition, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.005)


def going(queue: Scheduler) -> str | None:
    return queue.status()["running"]


def ends(queue: Scheduler, **how) -> None:
    """Let the worker report the end of what is going, as it files it."""
    run = going(queue)
    if how.get("filed", True):
        queue.store.update(run, RunState.FINISHED)
    queue._worker.says(Said.ENDED, run, **how)


# What happens to a run must not happen to the queue


def test_a_start_that_is_refused_is_filed_and_the_next_one_goes(queue, store):
    first, second = queue.submit(config()), queue.submit(config())
    queue._worker.says(Said.REFUSED, first, do=Do.START, message="No attack named 'x'.")
    assert store.summary(first).state is RunState.FAILED and store.summary(first).reason == "No attack named 'x'."
    assert going(queue) == second and queue.position(first) is None


def test_a_run_whose_folder_went_while_it_ran_is_filed_as_damaged(queue, store):
    first, second = queue.submit(config()), queue.submit(config())
    shutil.rmtree(store.folder(first).path)
    queue._worker.says(Said.ENDED, first, reason="gone", filed=False)
    assert store.summary(first).state is RunState.DAMAGED and going(queue) == second


def test_a_dead_worker_files_its_run_even_if_its_folder_is_gone(queue, store):
    first, second = queue.submit(config()), queue.submit(config())
    shutil.rmtree(store.folder(first).path)
    queue._died(queue._worker, "SIGKILL")
    assert store.summary(first).state is RunState.DAMAGED
    queue._worker.says(Said.READY)
    assert going(queue) == second


def test_what_cannot_be_filed_is_filed_when_it_can_be_and_the_queue_waits_for_it(queue, store, monkeypatch):
    first, second = queue.submit(config()), queue.submit(config())
    filing = store.file

    def refuse(*_) -> None:
        raise StoreError("No space left on device")

    monkeypatch.setattr(store, "file", refuse)
    ends(queue, filed=False, state=RunState.FAILED, reason="No space left on device")
    status = queue.status()
    assert (status["worker"], going(queue), status["queued"]) == ("held", None, [second])
    assert "cannot be written" in status["reason"]
    monkeypatch.setattr(store, "file", filing)
    wait_for(lambda: going(queue) == second)
    assert store.summary(first).state is RunState.FAILED and "No space" in store.summary(first).reason
    assert queue.status()["worker"] == "ready" and queue.status()["reason"] == ""


@pytest.mark.parametrize("error", [StoreError("full"), OSError(28, "No space left on device")])
def test_a_worker_that_dies_on_a_full_disk_is_followed_by_another(queue, store, monkeypatch, error):
    first = queue.submit(config())
    filing, worker = store.file, queue._worker

    def refuse(*_) -> None:
        raise error

    monkeypatch.setattr(store, "file", refuse)
    queue._died(worker, "SIGBUS")
    assert queue._worker is not worker and going(queue) is None
    monkeypatch.setattr(store, "file", filing)
    wait_for(lambda: store.summary(first).state is RunState.FAILED)
    assert "SIGBUS" in store.summary(first).reason


def test_too_little_room_holds_the_queue_and_refuses_what_comes(queue, store, monkeypatch):
    _, second = queue.submit(config()), queue.submit(config())
    monkeypatch.setattr(store, "room", 1e18)
    ends(queue)
    assert going(queue) is None and queue.status()["worker"] == "held" and "is full" in queue.status()["reason"]
    with pytest.raises(StoreError, match="Free some space"):
        queue.submit(config())
    monkeypatch.setattr(store, "room", 0)
    wait_for(lambda: going(queue) == second)


def test_workers_that_die_again_and_again_hold_the_queue_until_somebody_tries(queue):
    queue.submit(config())
    for _ in range(scheduling.CRASHES):
        queue._died(queue._worker, "SIGSEGV")
    status = queue.status()
    assert status["worker"] == "held" and "3 times, last with SIGSEGV" in status["reason"]
    again = queue.submit(config())
    assert queue._worker is not None
    queue._worker.says(Said.READY)
    assert going(queue) == again


def test_a_worker_whose_device_failed_is_given_nothing_more_and_replaced(queue, store):
    first, second = queue.submit(config()), queue.submit(config())
    for run in (first, second, *(queue.submit(config()) for _ in range(scheduling.CRASHES))):
        assert going(queue) == run
        worker = queue._worker
        store.update(run, RunState.FAILED, reason="CUDA error: device-side assert triggered")
        worker.says(Said.ENDED, run, state=RunState.FAILED, leaving=True)
        queue._next()  # as the housekeeping does at any moment
        assert going(queue) is None and queue.status()["worker"] == "starting"
        queue._died(worker, "exit status 3")
        assert queue._worker is not worker
        queue._worker.says(Said.READY)
    assert "device-side assert" in store.summary(first).reason, "the next one does not change how this one ended"


def test_a_worker_that_cannot_be_started_is_told(store, monkeypatch):
    def none_left(*_) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(scheduling, "WorkerProcess", none_left)
    queue = Scheduler(store).start()
    try:
        queue.submit(config())
        assert queue.status()["worker"] == "held" and "temporarily unavailable" in queue.status()["reason"]
    finally:
        queue.close()


def test_housekeeping_outlives_what_goes_wrong_in_it(queue, store, monkeypatch):
    queue.submit(config())
    waiting = queue.submit(config())
    tries = []

    def broken() -> bool:
        tries.append(1)
        raise RuntimeError("a bug")

    monkeypatch.setattr(queue, "_unblocked", broken)
    queue._blocked = "something"
    with queue._lock:
        queue._over()
    wait_for(lambda: len(tries) > 2)
    monkeypatch.undo()
    wait_for(lambda: going(queue) == waiting)


# Commands


def test_a_refusal_reaches_who_asked(queue):
    run = queue.submit(config())
    queue._worker.refusal = "lr=9 is out of range"
    with pytest.raises(UsageError, match="lr=9 is out of range"):
        queue.pause(run)
    queue._worker.refusal = ""
    queue.pause(run)
    assert queue._worker.told(Do.PAUSE) == [run, run]


def test_a_refusal_of_what_has_just_ended_is_nobodys_business(queue, monkeypatch):
    run = queue.submit(config())
    worker = queue._worker
    worker.refusal = "Run is not going here."
    monkeypatch.setattr(worker, "says", _ended_first(queue, worker))
    queue.stop(run)
    assert queue.position(run) is None


def _ended_first(queue, worker):
    def says(said, *fields, **more):
        queue.store.update(fields[0], RunState.FINISHED)
        queue._heard(worker, Report(Said.ENDED, fields[0]))
        queue._heard(worker, Report(said, *fields, **more))

    return says


def test_a_worker_that_does_not_answer_holds_nobody_up(queue, monkeypatch):
    run = queue.submit(config())
    monkeypatch.setattr(scheduling, "ANSWER", 0.01)
    monkeypatch.setattr(queue._worker, "says", lambda *_, **__: None)
    queue.pause(run)
    assert queue._worker.told(Do.PAUSE) == [run] and not queue._answers


def test_who_waits_for_an_answer_is_let_go_when_the_worker_dies(queue, monkeypatch):
    run = queue.submit(config())
    monkeypatch.setattr(queue._worker, "says", lambda *_, **__: None)
    monkeypatch.setattr(scheduling, "ANSWER", 60)
    asking = threading.Thread(target=queue.pause, args=(run,))
    asking.start()
    wait_for(lambda: queue._answers)
    queue._died(queue._worker, "SIGKILL")
    asking.join(30)
    assert not asking.is_alive()


# Restart


def test_what_waits_when_the_application_closes_waits_again_in_the_same_order(opened, store):
    first = opened()
    runs = [first.submit(config(), owner=owner) for owner in ("ann", "ann", "ann", "bob")]
    queued = first.status()["queued"]
    assert queued == [runs[3], runs[1], runs[2]]
    first.close()
    assert store.summary(runs[0]).state is RunState.FAILED and "interrupted" in store.summary(runs[0]).reason
    assert [store.summary(run).state for run in runs[1:]] == [RunState.QUEUED] * 3
    again = opened()
    assert going(again) == runs[1], "served by arrival: whose turn was last is not remembered"
    assert again.status()["queued"] == [runs[3], runs[2]]
    assert [store.summary(run).owner for run in runs] == ["ann", "ann", "ann", "bob"]


def test_a_waiting_run_of_an_attack_that_is_gone_fails_with_a_reason(opened, store):
    first = opened()
    first.submit(config())
    lost, well = first.submit(config()), first.submit(config())
    store.folder(lost).update(config={**store.folder(lost).manifest()["config"], "attack": "uninstalled"})
    first.close()
    again = opened()
    assert store.summary(lost).state is RunState.FAILED and "No attack named" in store.summary(lost).reason
    assert going(again) == well


# Places


def test_mine_in_place_of_mine_is_next_whoever_else_waits(queue, store):
    running = queue.submit(config(), owner="ann")
    others = [queue.submit(config(), owner=name) for name in ("bob", "cid")]
    mine = queue.submit(config(), owner="ann", instead_of=running)
    assert queue._worker.told(Do.STOP) == [running]
    assert queue.status()["queued"] == [mine, *others]
    ends(queue)
    assert going(queue) == mine


def test_mine_in_place_of_one_that_waits_has_its_place(queue, store):
    queue.submit(config(), owner="ann")
    waiting = [queue.submit(config(), owner="ann") for _ in range(3)]
    mine = queue.submit(config(), owner="ann", instead_of=waiting[0])
    assert queue.status()["queued"] == [mine, *waiting[1:]]
    assert store.summary(waiting[0]).state is RunState.STOPPED


def test_nobody_takes_the_place_of_another_but_a_presenter(queue, store):
    running = queue.submit(config(), owner="ann")
    with pytest.raises(UsageError, match="started by somebody else"):
        queue.submit(config(), owner="bob", instead_of=running)
    assert len(store.list()) == 1 and not queue._worker.told(Do.STOP)
    mine = queue.submit(config(), owner="bob", instead_of=running, presenter=True)
    assert queue._worker.told(Do.STOP) == [running] and queue.position(mine) == 1


def test_an_owner_can_clear_the_queue_of_what_is_his(queue, store):
    running = queue.submit(config(), owner="ann")
    his = [queue.submit(config(), owner="ann") for _ in range(2)]
    other = queue.submit(config(), owner="bob")
    assert queue.clear("ann") == his
    assert queue.status()["queued"] == [other] and going(queue) == running
    assert {store.summary(run).state for run in his} == {RunState.STOPPED}
    assert queue.clear("ann") == []


def test_the_order_of_nobody_is_empty():
    assert Turns().order(["ann"]) == []


# Forecasts


def past(store: RunStore, given: RunConfig, seconds: float, steps: int) -> None:
    folder = store.create(given, shape=(1, 64, 64))
    store.update(folder.id, RunState.FINISHED, seconds=seconds, steps=steps)


def test_a_forecast_goes_by_the_same_attacks_own_pace(queue, store):
    past(store, config(steps=100), seconds=10.0, steps=100)
    past(store, config(attack="gmi", steps=10), seconds=900.0, steps=10)
    queue.submit(config(steps=50))
    waiting = [queue.submit(config(steps=300)), queue.submit(config(attack="gmi", steps=2)), queue.submit(config())]
    before, forecasts = time.time(), [queue.forecast(run) for run in waiting]
    assert before <= forecasts[0].at <= time.time()
    assert forecasts[0].seconds == pytest.approx(0.1 * 50, abs=1), "50 steps at a tenth of a second"
    assert forecasts[1].seconds - forecasts[0].seconds == pytest.approx(30, abs=1)
    assert forecasts[2].seconds - forecasts[1].seconds == pytest.approx(180, abs=1)
    assert queue.eta(waiting[0]) == pytest.approx(forecasts[0].seconds, abs=1)


def test_an_attack_that_never_ran_is_judged_by_all_others(queue, store):
    past(store, config(), seconds=10.0, steps=100)
    past(store, config(), seconds=30.0, steps=100)
    queue.submit(config(attack="gmi"))
    waiting = queue.submit(config())
    assert queue.eta(waiting) == pytest.approx(20, abs=1)


def test_what_is_going_is_judged_by_its_own_steps(queue, store):
    past(store, config(), seconds=1.0, steps=100)
    running = queue.submit(config(steps=1000))
    waiting = queue.submit(config())
    folder = store.folder(running)
    folder.write_json("scene.json", {"total": 1000})
    (folder.path / "curves.csv").write_text("frame,step,seconds,queries,confidence,loss\n9,250,50.0,500,0.5,1.2\n8,9")
    assert queue.eta(waiting) == pytest.approx(150, abs=1)


def test_a_forecast_reads_little_however_many_ask(queue, store, monkeypatch):
    queue.submit(config())
    waiting = queue.submit(config())
    queue.eta(waiting)
    asked = []
    run = store.index.run
    monkeypatch.setattr(store.index, "run", lambda *a: (asked.append(a), run(*a))[1])
    monkeypatch.setattr("workbench.workers.forecast.FRESH", 1e9)
    queue.forecaster._left = (going(queue), time.time(), 5.0)
    for _ in range(200):
        queue.eta(waiting), queue.position(waiting), queue.status()
    assert asked == []


def test_nobody_knows_when_what_does_not_wait_starts(queue):
    running = queue.submit(config())
    assert queue.forecast(running) is None and queue.eta("nothing-here") is None
