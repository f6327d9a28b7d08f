"""The worker process: executes one run or training at a time and takes commands while it does.

Commands come as JSON lines on standard input, reports leave as JSON lines on standard output. When
standard input ends, the application is gone: the current run is stopped and the process exits.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import queue
import sys
import threading
from pathlib import Path
from typing import Any

import torch

from workbench.core.errors import WorkbenchError
from workbench.core.records import RunState, TrainingConfig
from workbench.engine.context import control_for
from workbench.engine.execute import execute
from workbench.engine.model_cache import ModelCache, describe
from workbench.runs.control import RunControl
from workbench.runs.run_folder import RunFolder
from workbench.runs.store import RunStore
from workbench.runs.training_folder import TrainingFolder
from workbench.targets.remote.sources import add_options, allow_from
from workbench.trainings.execute import carry_out


class Worker:
    """Listens on one thread, runs attacks and trainings on another."""

    def __init__(self, store: RunStore, cache: ModelCache, fps: float) -> None:
        self.store, self.cache, self.fps = store, cache, fps
        self._reports = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)  # whatever a library prints must not be taken for a report
        self._todo: queue.Queue[str | None] = queue.Queue()
        self._current: tuple[str, RunControl] | None = None
        self._orphaned = False

    def report(self, kind: str, **what: Any) -> None:
        try:
            self._reports.write(json.dumps({"kind": kind, **what}) + "\n")
        except (BrokenPipeError, ValueError):
            self._orphaned = True

    def listen(self) -> None:
        for line in sys.stdin:
            command = json.loads(line)
            try:
                self.obey(**command)
            except WorkbenchError as error:
                self.report("refused", run=command.get("run"), message=str(error))
        self._orphaned = True
        if self._current is not None:
            self._current[1].stop()
        self._todo.put(None)

    def obey(self, do: str, run: str, **what: Any) -> None:
        if do == "start":
            self._todo.put(run)
        elif self._current is not None and self._current[0] == run:
            getattr(self._current[1], do)(**what)

    def work(self) -> None:
        self.report("ready", device=describe(self.cache.device))
        while (run := self._todo.get()) is not None:
            self.report("started", run=run)
            state = self.do(self.store.job(run))
            self._current = None
            if self._orphaned:
                self.store.update(run, RunState.FAILED, reason="interrupted: the application was closed")
            self.report("ended", run=run, state=state.value)

    def do(self, folder: RunFolder | TrainingFolder) -> RunState:
        """Carry out one job to its end; returns how it ended."""
        config = folder.config()
        control = RunControl() if isinstance(config, TrainingConfig) else control_for(config)
        self._current = (folder.id, control)
        if isinstance(config, TrainingConfig):
            return carry_out(config, folder, self.cache, control=control, ledger=self.store)
        return execute(
            config, folder, self.cache, control=control, ledger=self.store, runs=self.store.root, fps=self.fps
        )


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
    worker.work()


if __name__ == "__main__":
    main()
