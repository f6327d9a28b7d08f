"""Queues runs and trainings fairly and keeps one worker process alive to execute them."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

from workbench.attacks import ATTACKS
from workbench.core.errors import Incompatible, KnobError, StoreError, UnknownName
from workbench.core.knobs import knobs_of
from workbench.core.paths import ROOT
from workbench.core.records import RunConfig, RunState, TrainingConfig
from workbench.engine.compatibility import ensure_fits
from workbench.runs.run_folder import RunFolder
from workbench.runs.store import RunStore
from workbench.runs.training_folder import TrainingFolder
from workbench.scenarios import SCENARIOS
from workbench.targets.remote.sources import as_options
from workbench.trainings.estimates import training_estimate
from workbench.trainings.start import trained_name, training_problems

USUAL_SECONDS = 45.0  # a run's length, as long as none has ended yet
CRASHES = 3  # workers that may die in a row before the queue is held


def default_threads() -> int:
    """Return how many threads torch gets: one core is left to the interface, so that neither waits."""
    return max(1, (os.cpu_count() or 2) - 1)


@dataclass(frozen=True)
class Waiting:
    """A run or training in the queue; one that is `first` waits for nobody's turn."""

    run: str
    owner: str
    first: bool = False


class Scheduler:
    """Accepts runs from many browsers and executes one after another.

    Args:
        store: where runs are kept; locked while this scheduler lives.

    Raises:
        StoreError: another application is using the store.
    """

    def __init__(self, store: RunStore, device: str = "auto", threads: int | None = None, fps: float = 10.0) -> None:
        self.store, self.device, self.fps = store, device, fps
        self.threads = threads or default_threads()
        self._lock = threading.RLock()
        self._waiting: list[Waiting] = []
        self._served: deque[str] = deque(maxlen=64)
        self._running: Waiting | None = None
        self._worker: subprocess.Popen[str] | None = None
        self._worker_state = "down"
        self._device_name: dict[str, Any] = {}
        self._crashes = 0
        self._closing = False
        self._claim: Any = None

    def start(self) -> Scheduler:
        """Claim the store, file runs that a dead application left behind, start the worker."""
        self._claim = (self.store.root / "lock").open("w")
        try:
            fcntl.flock(self._claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._claim.close()
            raise StoreError(
                f"Another workbench is using the run folder {self.store.root}. Close it, or start this one "
                "with --runs and another folder."
            ) from None
        self.store.mark_interrupted("interrupted: the application was closed while this was going")
        self._start_worker()
        return self

    def close(self) -> None:
        """Stop the worker; a run that is going is filed as interrupted, its frames are kept."""
        with self._lock:
            self._closing = True
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.stdin.close()
            try:
                worker.wait(timeout=10)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        self.store.mark_interrupted("interrupted: the application was closed")
        if self._claim is not None:
            self._claim.close()

    def submit(self, config: RunConfig, owner: str = "", *, instead_of: str | None = None) -> str:
        """Queue a run; returns its id.

        Args:
            owner: whose turn it is counted as, such as a browser session.
            instead_of: a run of the same owner's that is going; it is stopped, and this one is the next.

        Raises:
            Incompatible: with every reason why the configuration cannot run, or that the one to be stopped is
                somebody else's; nothing is stopped then.
        """
        ensure_fits(config)
        with self._lock:
            if instead_of is not None and self.store.summary(instead_of).owner != owner:
                raise Incompatible(["What is running was started by somebody else; yours waits for it. Press Run."])
            folder = self.store.create(config, owner=owner, shape=SCENARIOS[config.scenario].input_shape)
            run = self._queue(folder, owner, first=instead_of is not None)
            if instead_of is not None:
                self.stop(instead_of)
        return run

    def clear(self, owner: str) -> list[str]:
        """Take every run and training of one owner that waits out of the queue; returns their ids."""
        with self._lock:
            own = [waiting.run for waiting in self._order() if waiting.owner == owner]
            for run in own:
                self.stop(run)
        return own

    def train(self, config: TrainingConfig, owner: str = "") -> str:
        """Queue a training; returns its id.

        Raises:
            Incompatible: with every reason why it cannot start; one is that it waits or goes already.
        """
        if found := training_problems(config):
            raise Incompatible(found)
        with self._lock:
            if (there := self.training_of(trained_name(config))) is not None:
                raise Incompatible([f"{trained_name(config)} is being trained already, as {there}."])
            expected = training_estimate(config, self._device_name.get("type", "cpu"))
            return self._queue(
                self.store.create_training(config, owner=owner, expected=expected.seconds, basis=expected.basis), owner
            )

    def training_of(self, name: str) -> str | None:
        """Return the training of these weights that waits or goes, None if there is none."""
        with self._lock:
            jobs = [*([self._running] if self._running else []), *self._waiting]
            folders = (self.store.job(job.run) for job in jobs)
            return next(
                (f.id for f in folders if isinstance(f, TrainingFolder) and trained_name(f.config()) == name), None
            )

    def _queue(self, folder: RunFolder | TrainingFolder, owner: str, *, first: bool = False) -> str:
        with self._lock:
            self._waiting.append(Waiting(folder.id, owner, first))
            self._crashes = 0
            if self._worker is None and not self._closing:
                self._start_worker()
            self._next()
        return folder.id

    def pause(self, run: str) -> None:
        self._command(run, "pause")

    def resume(self, run: str) -> None:
        self._command(run, "resume")

    def step(self, run: str) -> None:
        """Let a paused run make one step."""
        self._command(run, "step")

    def stop(self, run: str) -> None:
        """Stop a run that is going, or take one that waits out of the queue."""
        with self._lock:
            waiting = next((w for w in self._waiting if w.run == run), None)
            if waiting is not None:
                self._waiting.remove(waiting)
                self.store.update(run, RunState.STOPPED, reason="stopped before it started")
                return
        self._command(run, "stop")

    def set_knob(self, run: str, name: str, value: Any) -> None:
        """Change a live knob of a run that is going.

        Raises:
            UnknownName, KnobError: checked here, so that the caller hears of it at once.
        """
        declared = knobs_of(ATTACKS[self.store.folder(run).config().attack])
        if name not in declared:
            raise UnknownName("knob", name, declared)
        if not declared[name].live:
            raise KnobError(f"{name} cannot change while a run is going. Set it and run again.")
        self._command(run, "set", name=name, value=declared[name].parse(value))

    def position(self, run: str) -> int | None:
        """Return 0 if the run is going, k if it is k-th in the queue, None if it has ended."""
        with self._lock:
            if self._running is not None and self._running.run == run:
                return 0
            order = [w.run for w in self._order()]
        return order.index(run) + 1 if run in order else None

    def eta(self, run: str) -> float | None:
        """Return the seconds until a waiting run would start, judged by the runs before.

        None if it does not wait, or if nobody knows how long a training before it will take.
        """
        position = self.position(run)
        if not position:
            return None
        with self._lock:
            going, before = self._running, [w.run for w in self._order()][: position - 1]
        lengths = [r.seconds for r in self.store.list(20, RunState.FINISHED) if r.seconds]
        usual = sum(lengths) / len(lengths) if lengths else USUAL_SECONDS
        waits = [self._left(going.run, usual / 2)] if going else []
        waits += [self._left(earlier, usual) for earlier in before]
        return None if None in waits else sum(waits)

    def _left(self, run: str, usual: float) -> float | None:
        """Return the seconds that a run or a training will go on for, None where unknown."""
        folder = self.store.job(run)
        if isinstance(folder, RunFolder):
            return usual
        progress = folder.progress()
        return progress["left"] if progress.get("left") is not None else folder.manifest().get("expected")

    def status(self) -> dict[str, Any]:
        """Return device, worker state, the run that is going and those that wait, in order."""
        with self._lock:
            return {
                "device": self._device_name,
                "worker": self._worker_state,
                "threads": self.threads,
                "running": self._running.run if self._running else None,
                "queued": [w.run for w in self._order()],
            }

    @property
    def worker_pid(self) -> int | None:
        return self._worker.pid if self._worker else None

    def _order(self) -> list[Waiting]:
        """Return the queue as it will be served: owners take turns, each in order of arrival."""
        order = [waiting for waiting in self._waiting if waiting.first]
        waiting, served = [w for w in self._waiting if not w.first], list(self._served)
        if self._running is not None:
            served.append(self._running.owner)
        while waiting:

            def since(w: Waiting, served: list[str] = served) -> int:
                return max((i for i, owner in enumerate(served) if owner == w.owner), default=-1)

            turn = min(waiting, key=since)  # min keeps the first of equals, so arrival decides
            waiting.remove(turn)
            served.append(turn.owner)
            order.append(turn)
        return order

    def _next(self) -> None:
        if self._running is None and self._waiting and self._worker_state == "ready" and not self._closing:
            turn = self._order()[0]
            self._waiting.remove(turn)
            self._running = turn
            self._send({"do": "start", "run": turn.run})

    def _command(self, run: str, do: str, **what: Any) -> None:
        self.store.job(run)
        with self._lock:
            if self._running is not None and self._running.run == run and not self._closing:
                self._send({"do": do, "run": run, **what})

    def _send(self, command: dict[str, Any]) -> None:
        try:
            self._worker.stdin.write(json.dumps(command) + "\n")
            self._worker.stdin.flush()
        except (BrokenPipeError, ValueError):
            pass  # the worker has just died; the thread that reads its reports files that

    def _start_worker(self) -> None:
        self._worker_state = "starting"
        self._worker = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "workbench.workers.worker",
                "--runs",
                str(self.store.root.resolve()),
                "--device",
                self.device,
                "--threads",
                str(self.threads),
                "--fps",
                str(self.fps),
                *as_options(),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            bufsize=1,
        )
        threading.Thread(target=self._read, args=(self._worker,), name="worker reports", daemon=True).start()

    def _read(self, worker: subprocess.Popen[str]) -> None:
        for line in worker.stdout:
            report = json.loads(line)
            with self._lock:
                if report["kind"] == "ready":
                    self._worker_state, self._device_name = "ready", report["device"]
                elif report["kind"] == "ended":
                    if self._running is not None:
                        self._served.append(self._running.owner)
                    self._running, self._crashes = None, 0
                self._next()
        self._bury(worker.wait())

    def _bury(self, status: int) -> None:
        """File the run that a dead worker was at, and start another worker."""
        with self._lock:
            self._worker_state = "down"
            if self._closing:
                return
            cause = signal.Signals(-status).name if status < 0 else f"exit status {status}"
            hint = " (often: out of memory)" if status == -signal.SIGKILL else ""
            if self._running is not None:
                self.store.update(
                    self._running.run,
                    RunState.FAILED,
                    reason=f"the worker process died with {cause}{hint}; what was recorded is kept",
                )
                self._running = None
            self._crashes += 1
            if self._crashes >= CRASHES:
                self._worker, self._worker_state = None, f"held: the worker died {CRASHES} times, last with {cause}"
                return
            self._start_worker()
