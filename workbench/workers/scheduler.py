"""Queues runs and trainings fairly and keeps one worker process alive to execute them."""

from __future__ import annotations

import enum
import fcntl
import logging
import os
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import IO, Any

from workbench.core.errors import (
    Incompatible,
    KnobError,
    StoreError,
    UnknownName,
    UsageError,
    WorkbenchError,
)
from workbench.core.records import RunConfig, RunState, TrainingConfig
from workbench.engine.compatibility import ensure_fits
from workbench.runs.store import RunStore
from workbench.tabular.kinds import declared_knobs, shape_of
from workbench.targets.remote.sources import as_options
from workbench.trainings.estimates import training_estimate
from workbench.trainings.start import trained_name, training_problems
from workbench.workers.forecast import Forecast, Forecaster
from workbench.workers.jobs import INTERRUPTED, AttackJob, TrainingJob, open_job
from workbench.workers.protocol import Do, Report, Said, WorkerCommand
from workbench.workers.turns import QueueEntry, Turns
from workbench.workers.worker_process import WorkerProcess

CRASHES = 3  # workers that may die in a row before the queue is held
ANSWER = 2.0  # seconds within which a worker obeys or refuses; one that does neither is taken to have obeyed
GRACE = 1.2  # seconds in which a worker may end what it is at when the application closes
LOOK = 1.0  # seconds between looks whether what could not be written can be

log = logging.getLogger(__name__)


class WorkerState(enum.StrEnum):
    """What the queue's worker is doing."""

    STARTING = "starting"
    READY = "ready"
    DOWN = "down"
    HELD = "held"  # nothing starts until what keeps it from it is over


@dataclass
class Going:
    """What the worker is at.

    Attributes:
        began: when it was handed over, in seconds since 1970.
    """

    entry: QueueEntry
    began: float


def default_threads() -> int:
    """Return how many threads torch gets: one core is left to the interface, so that neither waits."""
    return max(1, (os.cpu_count() or 2) - 1)


class Scheduler:
    """Accepts runs from many browsers and executes one after another.

    Whatever happens to a run, its folder or the disk, the queue goes on: a damaged run is put aside, and how a run
    ended is filed as soon as there is room for it.

    Args:
        store: where runs are kept; locked while this scheduler lives.

    Raises:
        StoreError: another application is using the store.
    """

    def __init__(self, store: RunStore, device: str = "auto", threads: int | None = None, fps: float = 10.0) -> None:
        self.store, self.device, self.fps = store, device, fps
        self.threads = threads or default_threads()
        self.forecaster = Forecaster(store)
        self._lock = threading.RLock()
        self._turns = Turns()
        self._going: Going | None = None
        self._worker: WorkerProcess | None = None
        self._state, self._reason = WorkerState.DOWN, ""
        self._blocked = ""  # why nothing can be recorded now
        self._unfiled: dict[str, tuple[RunState, str]] = {}  # how runs ended that could not be filed yet
        self._device_name: Mapping[str, Any] = {}
        self._crashes = 0
        self._closing = threading.Event()
        self._answers: dict[int, Future[None]] = {}  # of commands that somebody waits for, by number
        self._number = 0
        self._claim: IO[str] | None = None

    def start(self) -> Scheduler:
        """Claim the store, put its runs in order, queue anew what waited in a closed application, start the worker."""
        self._claim = (self.store.root / "lock").open("w")
        try:
            fcntl.flock(self._claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._claim.close()
            raise StoreError(
                f"Another workbench is using the run folder {self.store.root}. Close it, or start this one "
                "with --runs and another folder."
            ) from None
        for sentence in self.store.check():
            log.warning("%s", sentence)
        self.store.mark_interrupted(INTERRUPTED)
        with self._lock:
            for waiting in self.store.waiting():
                self._take_up(waiting.id, waiting.owner)
            self._start_worker()
        threading.Thread(target=self._keep_house, name="queue housekeeping", daemon=True).start()
        return self

    def close(self) -> None:
        """Stop the worker; a run that is going is filed as interrupted, what waits goes on at the next start."""
        with self._lock:
            self._closing.set()
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.leave(GRACE)
        with self._lock:
            if self._going is not None and not self._ended(self._going.entry.run):
                self._file(self._going.entry.run, RunState.FAILED, INTERRUPTED)
            self._going = None
            self._file_the_rest()
            self._state, self._reason = WorkerState.DOWN, "the application is closing"
        if self._claim is not None:
            self._claim.close()

    def submit(
        self,
        config: RunConfig,
        owner: str = "",
        *,
        instead_of: str | None = None,
        presenter: bool = False,
        again: str = "",
    ) -> str:
        """Queue a run; returns its id.

        Args:
            owner: whose turn it is counted as, such as a browser session.
            instead_of: a run that is stopped, or taken out of the queue, and whose place this one takes.
            presenter: may take the place of anybody's run.
            again: the run that this one repeats, which goes on record; "" for none.

        Raises:
            Incompatible: with every reason why the configuration cannot run, or that the run whose place it is to
                take is somebody else's; nothing is stopped then.
            StoreError: there is no room to record it.
        """
        ensure_fits(config)
        if instead_of is not None and not presenter and self.store.summary(instead_of).owner != owner:
            raise Incompatible(["What is running was started by somebody else; yours waits for it. Press Run."])
        self._ensure_room()
        shape = shape_of(config.scenario)
        fields: dict[str, Any] = {"again": again} if again else {}
        job = AttackJob(self.store.create(config, owner=owner, shape=shape, **fields), config)
        with self._lock:
            self._queue(QueueEntry(job, owner), instead_of)
        if instead_of is not None:
            self.stop(instead_of)
        return job.id

    def train(self, config: TrainingConfig, owner: str = "") -> str:
        """Queue a training; returns its id.

        Raises:
            Incompatible: with every reason why it cannot start; one is that it waits or goes already.
            StoreError: there is no room to record it.
        """
        if problems := training_problems(config):
            raise Incompatible(problems)
        self._ensure_room()
        with self._lock:
            if (other := self.training_of(trained_name(config))) is not None:
                raise Incompatible([f"{trained_name(config)} is being trained already, as {other}."])
            expected = training_estimate(config, self._device_name.get("type", "cpu"))
            folder = self.store.create_training(config, owner=owner, expected=expected.seconds, basis=expected.basis)
            self._queue(QueueEntry(TrainingJob(folder, config), owner))
        return folder.id

    def training_of(self, name: str) -> str | None:
        """Return the training of these weights that waits or goes, None if there is none."""
        with self._lock:
            entries = [*([self._going.entry] if self._going else []), *self._turns.waiting]
            return next((entry.run for entry in entries if entry.job.trains == name), None)

    def clear(self, owner: str) -> list[str]:
        """Take everything of an owner that waits out of the queue; returns the ids."""
        with self._lock:
            mine = [entry.run for entry in self._turns.waiting if entry.owner == owner]
            for run in mine:
                self._take_back(run)
        return mine

    def pause(self, run: str) -> None:
        """Let a run pause after its present step."""
        self._command(run, Do.PAUSE)

    def resume(self, run: str) -> None:
        """Let a paused run go on."""
        self._command(run, Do.RESUME)

    def step(self, run: str) -> None:
        """Let a paused run make one step."""
        self._command(run, Do.STEP)

    def stop(self, run: str) -> None:
        """Stop a run that is going, or take one that waits out of the queue."""
        with self._lock:
            waits = self._turns.find(run) is not None
            if waits:
                self._take_back(run)
        if not waits:
            self._command(run, Do.STOP)

    def set_knob(self, run: str, name: str, value: Any) -> None:
        """Change a live knob of a run that is going.

        Raises:
            UnknownName, KnobError: checked here, so that the caller hears of it at once.
        """
        config = self.store.folder(run).config()
        declared = declared_knobs(config.scenario, config.attack)
        if name not in declared:
            raise UnknownName("knob", name, declared)
        if not declared[name].live:
            raise KnobError(f"{name} cannot change while a run is going. Set it and run again.")
        self._command(run, Do.SET, name, declared[name].parse(value))

    def position(self, run: str) -> int | None:
        """Return 0 if the run is going, k if it is k-th in the queue, None if it has ended."""
        with self._lock:
            if self._going is not None and self._going.entry.run == run:
                return 0
            order = [entry.run for entry in self._order()]
        return order.index(run) + 1 if run in order else None

    def forecast(self, run: str) -> Forecast | None:
        """Return when a waiting run would start, judged by what is before it now.

        None if it does not wait, or if nobody knows how long a training before it will take.
        """
        with self._lock:
            going, order = self._going, self._order()
        position = next((i for i, entry in enumerate(order) if entry.run == run), None)
        if position is None:
            return None
        lengths = [self.forecaster.left(going.entry.job, going.began)] if going else []
        lengths += [self.forecaster.length(entry.job) for entry in order[:position]]
        known = [length for length in lengths if length is not None]
        return Forecast(sum(known), time.time()) if len(known) == len(lengths) else None

    def eta(self, run: str) -> float | None:
        """Return the seconds of `forecast`."""
        forecast = self.forecast(run)
        return None if forecast is None else forecast.seconds

    def status(self) -> dict[str, Any]:
        """Return device, worker state with its reason, the run that is going and those that wait, in order.

        `repaired` says that the store's index was lost and made anew; "" if it was not. `stored` is another text
        whenever a run was filed, changed or deleted.
        """
        with self._lock:
            state, reason = (WorkerState.HELD, self._blocked) if self._blocked else (self._state, self._reason)
            return {
                "device": self._device_name,
                "worker": state.value,
                "reason": reason,
                "threads": self.threads,
                "running": self._going.entry.run if self._going else None,
                "queued": [entry.run for entry in self._order()],
                "repaired": self.store.index.repaired,
                "stored": self.store.index.stamp(),
            }

    @property
    def worker_pid(self) -> int | None:
        return self._worker.pid if self._worker else None

    # The queue. Everything below is called with the lock held, unless it says otherwise.

    def _order(self) -> list[QueueEntry]:
        return self._turns.order([self._going.entry.owner] if self._going else [])

    def _queue(self, entry: QueueEntry, instead_of: str | None = None) -> None:
        entry.ahead = instead_of is not None and self._going is not None and self._going.entry.run == instead_of
        replaced = self._turns.find(instead_of) if instead_of is not None else None
        if replaced is not None:
            entry.ahead = replaced.ahead
            self._turns.waiting.insert(self._turns.waiting.index(replaced), entry)
        else:
            self._turns.waiting.append(entry)
        self._crashes = 0
        if self._worker is None and self._claim is not None and not self._closing.is_set():
            self._start_worker()
        self._next()

    def _take_up(self, run: str, owner: str) -> None:
        """Queue what waited when an application was closed; what cannot be carried out any more is filed as such."""
        try:
            self._turns.waiting.append(QueueEntry(open_job(self.store, run), owner))
        except WorkbenchError as error:
            self._file(run, RunState.FAILED, str(error))

    def _take_back(self, run: str) -> None:
        self._turns.waiting = [entry for entry in self._turns.waiting if entry.run != run]
        self._file(run, RunState.STOPPED, "stopped before it started")

    def _next(self) -> None:
        """Hand the next run to the worker, if it is free and there is room to record one."""
        if self._going or not self._turns.waiting or self._state is not WorkerState.READY or self._closing.is_set():
            return
        if not self._unblocked():
            return
        turn = self._order()[0]
        self._turns.waiting.remove(turn)
        self._going = Going(turn, time.time())
        self._send(WorkerCommand(Do.START, turn.run))

    def _over(self) -> None:
        """Count the turn of what was going, which has ended one way or another."""
        if self._going is not None:
            self._turns.served.append(self._going.entry.owner)
        self._going = None
        self.forecaster.forget()

    # Filing, on a disk that may be full.

    def _file(self, run: str, state: RunState, reason: str) -> None:
        """File how a run ended; if that cannot be done now, keep it in mind until it can."""
        try:
            self.store.file(run, state, reason)
            self._unfiled.pop(run, None)
        except (StoreError, OSError) as error:
            log.warning("%s cannot be filed as %s yet: %s", run, state.value, error)
            self._unfiled[run] = (state, reason)

    def _file_the_rest(self) -> None:
        for run, (state, reason) in [*self._unfiled.items()]:
            self._file(run, state, reason)

    def _ended(self, run: str) -> bool:
        try:
            return self.store.summary(run).state.ended
        except StoreError:
            return False

    def _unblocked(self) -> bool:
        """Return whether runs can be recorded; what could not be filed is filed first."""
        if self._unfiled:
            self._file_the_rest()
        problem = self.store.room_problem() or ""
        if self._unfiled and not problem:
            problem = f"The run folder {self.store.root} cannot be written. What waits goes on when it can be."
        if problem != self._blocked:
            log.warning("%s", problem or "The run folder can be written again; the queue goes on.")
        self._blocked = problem
        return not problem

    def _ensure_room(self) -> None:
        if problem := self.store.room_problem():
            raise StoreError(problem)

    def _keep_house(self) -> None:
        """Look again and again, without the lock held before, whether a blocked queue can go on."""
        while not self._closing.wait(LOOK):
            try:
                with self._lock:
                    if self._unfiled or self._blocked:
                        self._unblocked()
                    self._next()
            except Exception:  # this thread is what frees the queue
                log.exception("looking after the queue")

    # The worker.

    def _command(self, run: str, do: Do, name: str = "", value: Any = None) -> None:
        """Send a command for a run that is going, the lock not held; raises `UsageError` if the worker refuses it."""
        self.store.summary(run)  # a run that is not here is told as such
        with self._lock:
            if self._going is None or self._going.entry.run != run or self._closing.is_set():
                return
            self._number += 1
            number, answer = self._number, Future[None]()
            self._answers[number] = answer
            self._send(WorkerCommand(do, run, number, name, value))
        try:
            answer.result(timeout=ANSWER)
        except TimeoutError:
            log.warning("the worker does not answer %s of %s; it is busy", do.value, run)
        except UsageError:
            if self.position(run) == 0:  # else it has just ended by itself
                raise
        finally:
            self._answers.pop(number, None)

    def _send(self, command: WorkerCommand) -> None:
        if self._worker is not None:
            self._worker.send(command)

    def _start_worker(self) -> None:
        self._state, self._reason = WorkerState.STARTING, ""
        options = ["--runs", str(self.store.root.resolve()), "--device", self.device]
        options += ["--threads", str(self.threads), "--fps", str(self.fps), *as_options()]
        try:
            self._worker = WorkerProcess(options, self._heard, self._died)
        except OSError as error:
            self._worker = None
            self._state, self._reason = WorkerState.HELD, f"no worker can be started ({error.strerror})"
            log.error("%s", self._reason)

    def _heard(self, worker: WorkerProcess, report: Report) -> None:
        """Take in one report; called on the thread of the worker's reports."""
        answer = self._answers.pop(report.number, None)
        if answer is not None:
            if report.said is Said.REFUSED:
                answer.set_exception(UsageError(report.message))
            else:
                answer.set_result(None)
            return
        with self._lock:
            if worker is not self._worker:
                return
            if report.said is Said.READY:
                self._state, self._reason, self._device_name = WorkerState.READY, "", report.device
            elif report.said is Said.ENDED:
                self._crashes = 0
                if report.leaving:  # nothing more is handed to it; its death brings another
                    self._state, self._reason = WorkerState.STARTING, "the device failed; another worker takes over"
                if not report.filed:
                    self._file(report.run, report.state, report.reason)
                self._over()
            elif report.said is Said.REFUSED:
                log.warning("The worker refuses %s of %s: %s", report.do, report.run, report.message)
                if report.do == Do.START:
                    self._file(report.run, RunState.FAILED, report.message)
                    self._over()
            self._next()

    def _died(self, worker: WorkerProcess, why: str) -> None:
        """File the run that a dead worker was at, and start another; called on the thread of its reports."""
        with self._lock:
            if self._closing.is_set() or worker is not self._worker:
                return
            self._worker = None
            self._state, self._reason = WorkerState.DOWN, f"the worker died with {why}"
            for answer in [*self._answers.values()]:
                answer.set_result(None)  # what became of the run is on record
            self._answers.clear()
            if self._going is not None:
                run = self._going.entry.run
                self._file(run, RunState.FAILED, f"the worker process died with {why}; what was recorded is kept")
                self._over()
            self._crashes += 1
            if self._crashes >= CRASHES:
                self._state = WorkerState.HELD
                self._reason = f"the worker died {CRASHES} times, last with {why}; the next run tries again"
                return
            self._start_worker()
