"""One run from its configuration to its judgement; the same for the worker, the command line and tests."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.core.errors import BudgetSpent, Incompatible, WorkbenchError
from workbench.core.paths import runs_dir
from workbench.core.records import Frame, RunConfig, RunState
from workbench.engine.away import RemoteWait, StoppedWaiting
from workbench.engine.context import control_for
from workbench.engine.determinism import deterministic
from workbench.engine.experiment import Experiment, experiment_of
from workbench.engine.model_cache import ModelCache, describe
from workbench.runs.control import RunControl
from workbench.runs.ledger import FolderLedger, Ledger
from workbench.runs.recorder import Recorder, note_event
from workbench.runs.run_folder import RunFolder

log = logging.getLogger(__name__)

OnFrame = Callable[[Frame, float], None]


def execute(
    config: RunConfig,
    folder: RunFolder,
    cache: ModelCache,
    *,
    control: RunControl | None = None,
    ledger: Ledger | None = None,
    runs: Path | None = None,
    fps: float = 10.0,
    on_frame: OnFrame | None = None,
) -> RunState:
    """Run one configuration to its end and judge it; returns how it ended.

    Whatever happens, the frames recorded so far are kept and the run's state says what happened.

    Args:
        control: pauses, stops and changes knobs from another thread.
        ledger: where the run's state is filed; its own folder alone if None.
        runs: the folder in which the run that a fork begins from lies; the run store of this machine if None.
        fps: most frames a second that are recorded.
        on_frame: called with every frame and the seconds so far, for progress on a terminal.
    """
    execution = _Execution(
        config, folder, cache, control or control_for(config), ledger or FolderLedger(folder), runs or runs_dir(), fps
    )
    return execution.finish(execution.attempt(on_frame))


@dataclass(frozen=True)
class _Ending:
    """How a run ended; `reason` in words, "" where there is nothing to say."""

    state: RunState
    reason: str = ""


class _Execution:
    """One run under way: what it has come to, and how far."""

    def __init__(
        self,
        config: RunConfig,
        folder: RunFolder,
        cache: ModelCache,
        control: RunControl,
        ledger: Ledger,
        runs: Path,
        fps: float,
    ) -> None:
        self.config, self.folder, self.cache, self.control = config, folder, cache, control
        self.ledger, self.runs, self.fps = ledger, runs, fps
        self.clock = _Stopwatch()
        self.run: Experiment | None = None
        self.recorder: Recorder | None = None
        self.last: Frame | None = None

    @property
    def step(self) -> int:
        """Steps done so far."""
        return self.last.step if self.last is not None else 0

    def attempt(self, on_frame: OnFrame | None) -> _Ending:
        """Carry the attack out, whatever happens."""
        try:
            return self._attack(on_frame)
        except StoppedWaiting:
            return _Ending(RunState.STOPPED, f"stopped at step {self.step}, while the target was away")
        except BudgetSpent as error:
            return _Ending(RunState.FINISHED, f"ended early: {error}")
        except WorkbenchError as error:
            return _Ending(RunState.FAILED, str(error))
        except Exception as error:
            with suppress(OSError):  # a full disk is told of by the state's filing
                (self.folder.path / "error.txt").write_text(traceback.format_exc())
            log.exception("run %s failed", self.folder.id)
            return _Ending(RunState.FAILED, f"{type(error).__name__}: {error}")

    def _attack(self, on_frame: OnFrame | None) -> _Ending:
        self._file_start()
        run = self.run = experiment_of(self.config, self.cache, self.runs, self.folder)
        if run.origin:
            self._file(**run.origin)
        recorder = self.recorder = Recorder(self.folder, run.layout, run.plane, fps=self.fps)
        attack = run.frames(_Pace(self.control, recorder), self._remote_wait())
        self.clock.start()
        with deterministic(), closing(attack) as frames:
            for frame in frames:
                self._take(frame, run, recorder)
                if on_frame is not None:
                    on_frame(frame, self.clock.seconds)
                self._file_news()
                if self.control.paused and not self.control.stopped:
                    self._pause()
                if self.control.stopped:
                    return _Ending(RunState.STOPPED, f"stopped at step {frame.step}")
        return _Ending(RunState.FINISHED)

    def _file_start(self) -> None:
        """File the run as running, with the device that it really runs on and, apart from it, the one asked for."""
        asked, device = self.config.device, self.cache.device
        ran = {**self.config.to_json(), "device": device.type}
        self._file(
            RunState.RUNNING, started=time.time(), device=describe(device), config=ran, requested={"device": asked}
        )
        if asked not in ("auto", device.type):
            raise Incompatible(
                [
                    f"This run asks for {asked}, and this process works on {device.type}. "
                    f"Start it with --device {asked}, or ask for auto."
                ]
            )

    def _remote_wait(self) -> RemoteWait:
        return RemoteWait(
            self.control,
            note=lambda kind, text: note_event(self.folder, self.step, kind, text=text),
            file=lambda state, reason: self._file(state, reason=reason),
            held=self.clock.held,
        )

    def _take(self, frame: Frame, run: Experiment, recorder: Recorder) -> None:
        first, self.last = self.last is None, frame
        if first:
            run.set_scene(self.folder, frame)
        recorder.offer(frame, self.clock.seconds, must=first or run.keeps_all or self.control.paused)

    def _pause(self) -> None:
        """Stand still until the run is resumed, stepped or stopped."""
        self._file(RunState.PAUSED)
        with self.clock.held():
            self.control.wait()
        self._file_news()
        self._file(RunState.RUNNING)

    def finish(self, ending: _Ending) -> RunState:
        """Write what is left, judge the result and file how the run ended; returns it."""
        seconds, figures = self.clock.seconds, {}
        try:
            self._close_recorder(seconds)
            if self.last is not None and self.run is not None:
                if ending.reason:  # judging takes seconds, and who pressed Stop is to see at once that it was heard
                    self._file(reason=ending.reason)
                figures = self.run.conclude(self.folder, self.last, seconds)
        except Exception as error:  # a run that ran must not be lost because judging it failed
            log.exception("run %s could not be judged", self.folder.id)
            said = (
                str(error) if isinstance(error, WorkbenchError) else f"judging failed: {type(error).__name__}: {error}"
            )
            ending = _Ending(RunState.FAILED, ending.reason or said)
        self._file(ending.state, reason=ending.reason, ended=time.time(), **figures)
        return ending.state

    def _close_recorder(self, seconds: float) -> None:
        if self.recorder is None:
            return
        try:
            if self.last is not None:
                self.recorder.offer(self.last, seconds, must=True)
        finally:
            self.recorder.close()

    def _file(self, state: RunState | None = None, **fields: Any) -> None:
        self.ledger.update(self.folder.id, state, **fields)

    def _file_news(self) -> None:
        for event in self.control.take_news():
            note_event(self.folder, self.step, event.pop("kind"), **event)


class _Pace:
    """Joins what may change with what the recorder wants, as the attack's `Control`."""

    def __init__(self, control: RunControl, recorder: Recorder) -> None:
        self.control, self.recorder = control, recorder

    def value(self, name: str, default: Any) -> Any:
        return self.control.value(name, default)

    def due(self, step: int) -> bool:
        return self.control.wanted or self.recorder.wants()


class _Stopwatch:
    """Run time without the pauses."""

    def __init__(self) -> None:
        self._begun: float | None = None
        self._spent = 0.0

    def start(self) -> None:
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        return self._spent + (time.monotonic() - self._begun if self._begun is not None else 0.0)

    @contextmanager
    def held(self) -> Iterator[None]:
        self._spent, self._begun = self.seconds, None
        yield
        self.start()
