"""The worker process: executes one run or training at a time and takes commands while it does.

When its standard input ends, the application is gone: what is going is stopped and the process exits.
"""

from __future__ import annotations

import argparse
import logging
import os
import queue
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from workbench.core.errors import StoreError, WorkbenchError
from workbench.core.records import RunState
from workbench.engine.model_cache import ModelCache, describe
from workbench.runs.control import RunControl
from workbench.runs.store import RunStore
from workbench.targets.remote.sources import add_options, allow_from
from workbench.workers.jobs import INTERRUPTED, AttackJob, TrainingJob, open_job
from workbench.workers.protocol import Do, NotUnderstood, Report, Said, WorkerCommand

DEVICE_LOST = 3  # exit status

log = logging.getLogger(__name__)


class Worker:
    """Listens on one thread, executes on another. Nothing that goes wrong with one job ends either of them."""

    def __init__(self, store: RunStore, cache: ModelCache, fps: float) -> None:
        self.store, self.cache, self.fps = store, cache, fps
        self._reports = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)  # whatever a library prints must not be taken for a report
        self._todo: queue.Queue[AttackJob | TrainingJob | None] = queue.Queue()
        self._controls: dict[str, RunControl] = {}  # of what was started and has not ended
        self._orphaned = False

    def report(self, report: Report) -> None:
        try:
            self._reports.write(report.line())
        except (OSError, ValueError):
            self._orphaned = True

    def listen(self) -> None:
        """Obey every line of standard input, then stop what is going."""
        for line in sys.stdin.buffer:
            command: WorkerCommand | None = None
            try:
                command = WorkerCommand.parse(line)
                self.obey(command)
                self.report(Report(Said.DONE, command.run, command.number))
            except Exception as error:
                if not isinstance(error, WorkbenchError):
                    log.exception("command %r", line[:200])
                number, run, do = (command.number, command.run, command.do) if command else (0, "", "")
                self.report(Report(Said.REFUSED, run, number, do=do, message=str(error)))
        self._orphaned = True
        for control in [*self._controls.values()]:
            control.stop()
        self._todo.put(None)

    def obey(self, command: WorkerCommand) -> None:
        """Carry out one command; raises `WorkbenchError` if it cannot be."""
        if command.do is Do.START:
            job = open_job(self.store, command.run)
            self._controls[command.run] = job.control  # from now on no command for it is lost
            self._todo.put(job)
            return
        control = self._controls.get(command.run)
        if control is None:
            raise NotUnderstood(f"Run {command.run} is not going here.")
        match command.do:
            case Do.PAUSE:
                control.pause()
            case Do.RESUME:
                control.resume()
            case Do.STEP:
                control.step()
            case Do.STOP:
                control.stop()
            case Do.SET:
                control.set(command.name, command.value)

    def work(self) -> int:
        """Execute what was started, one after another, until standard input has ended or the device computes no more.

        Returns the exit status.
        """
        self.report(Report(Said.READY, device=describe(self.cache.device)))
        while (job := self._todo.get()) is not None:
            self.report(Report(Said.STARTED, job.id))
            ended = self.execute(job)
            if ended.state is RunState.FAILED and not self.cache.works():
                self.report(replace(ended, leaving=True))
                log.error("%s computes no more in this process; another one takes its place", self.cache.device)
                return DEVICE_LOST
            self.report(ended)
            del self._controls[job.id]  # after the report, so that no refusal of a late command comes before it
        return 0

    def execute(self, job: AttackJob | TrainingJob) -> Report:
        """Execute one job to its end; returns how it ended, whatever happens."""
        try:
            if job.control.stopped:
                state = RunState.STOPPED
                self.update(job.id, state, reason="stopped before its first step", ended=time.time())
            else:
                state = job.execute(self.cache, self, self.fps)
            return Report(Said.ENDED, job.id, state=state)
        except Exception as error:
            log.exception("%s could not be carried out", job.id)
            reason = str(error) if isinstance(error, WorkbenchError) else f"{type(error).__name__}: {error}"
            return Report(Said.ENDED, job.id, state=RunState.FAILED, reason=reason, filed=self._filed(job.id, reason))

    def _filed(self, run: str, reason: str) -> bool:
        try:
            self.store.file(run, RunState.FAILED, reason)
        except StoreError:
            return False  # a full disk; the application goes on trying
        return True

    def update(self, run: str, state: RunState | None = None, **fields: Any) -> None:
        """File a run's state, as its ledger; what stops because the application is gone was interrupted."""
        if self._orphaned and state is RunState.STOPPED:
            state, fields = RunState.FAILED, {**fields, "reason": INTERRUPTED}
        self.store.update(run, state, **fields)


def load_ahead() -> None:
    """Load what an optimiser loads at its first step: torch's compiler, for two seconds, though nothing is compiled."""
    import torch._dynamo  # noqa: F401


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m workbench.workers.worker")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--fps", type=float, default=10.0)
    add_options(parser)
    options = parser.parse_args()
    allow_from(options)
    logging.basicConfig(level=logging.WARNING)
    torch.set_num_threads(options.threads)
    worker = Worker(RunStore(options.runs), ModelCache(options.device), options.fps)
    threading.Thread(target=worker.listen, name="commands", daemon=True).start()
    threading.Thread(target=load_ahead, name="load ahead", daemon=True).start()
    status = worker.work()
    # Everything is on record. Taking torch and its libraries down in order takes seconds and brings nothing.
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
