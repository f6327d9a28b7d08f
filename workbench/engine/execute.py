"""One run from its configuration to its judgement; the same for the worker, the command line and tests."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from workbench.core.errors import BudgetSpent, WorkbenchError
from workbench.core.records import Frame, RunConfig, RunState
from workbench.engine.away import RemoteWait, StoppedWaiting
from workbench.engine.conclude import conclude, plane_of, set_scene
from workbench.engine.context import build_context, control_for, frames_of, starting_point
from workbench.engine.determinism import deterministic
from workbench.engine.model_cache import ModelCache, describe
from workbench.runs.contact_sheet import SheetLayout
from workbench.runs.control import RunControl
from workbench.runs.ledger import FolderLedger, Ledger
from workbench.runs.recorder import Recorder, note_event
from workbench.runs.run_folder import RunFolder
from workbench.targets.remote.sources import is_foreign, source_of

log = logging.getLogger(__name__)


class _Pace:
    """Joins what may change with what the recorder wants, as the attack's `Control`."""

    def __init__(self, control: RunControl, recorder: Recorder) -> None:
        self.control, self.recorder = control, recorder

    def value(self, name: str, default: Any) -> Any:
        return self.control.value(name, default)

    def due(self, step: int) -> bool:
        return self.control.wanted or self.recorder.wants()


def execute(
    config: RunConfig,
    folder: RunFolder,
    cache: ModelCache,
    *,
    control: RunControl | None = None,
    ledger: Ledger | None = None,
    fps: float = 10.0,
    on_frame: Any = None,
) -> RunState:
    """Run one configuration to its end and judge it; returns how it ended.

    Whatever happens, the frames recorded so far are kept and the run's state says what happened.

    Args:
        control: pauses, stops and changes knobs from another thread.
        on_frame: called with every frame and the seconds so far, for progress on a terminal.
    """
    control, ledger = control or control_for(config), ledger or FolderLedger(folder)
    recorder: Recorder | None = None
    last: Frame | None = None
    clock = _Stopwatch()
    state, reason = RunState.FINISHED, ""
    try:
        where = {"source": source_of(config.target).address} if is_foreign(config.target) else {}
        ledger.update(folder.id, RunState.RUNNING, started=time.time(), device=describe(cache.device), **where)
        scenario = cache.scenario(config.scenario)
        grid = SheetLayout.of(len(config.classes) * config.restarts, scenario.input_shape)
        start = starting_point(config, cache, folder.path.parent)
        plane, space = plane_of(config, cache)
        recorder = Recorder(folder, grid, plane, fps=fps)
        remote_wait = RemoteWait(
            control,
            lambda kind, text: note_event(folder, last.step if last else 0, kind, text=text),
            lambda state, why: ledger.update(folder.id, state, reason=why),
            clock.held,
        )
        context = build_context(config, cache, _Pace(control, recorder), start, remote_wait)
        set_scene(config, folder, cache, grid, plane, space)
        clock.start()
        with deterministic(), closing(frames_of(config, context)) as frames:
            for frame in frames:
                first, last = last is None, frame
                if first:
                    folder.write_json(
                        "scene.json", {**folder.scene(), "total": frame.total, "payload": frame.payload.kind}
                    )
                recorder.offer(frame, clock.seconds, must=first or control.paused)
                if on_frame is not None:
                    on_frame(frame, clock.seconds)
                _file_news(folder, control, frame.step)
                if control.paused and not control.stopped:
                    ledger.update(folder.id, RunState.PAUSED)
                    with clock.held():
                        control.wait()
                    _file_news(folder, control, frame.step)
                    ledger.update(folder.id, RunState.RUNNING)
                if control.stopped:
                    state, reason = RunState.STOPPED, f"stopped at step {frame.step}"
                    break
    except StoppedWaiting:
        state, reason = RunState.STOPPED, f"stopped at step {last.step if last else 0}, while the target was away"
    except BudgetSpent as error:
        reason = f"ended early: {error}"
    except WorkbenchError as error:
        state, reason = RunState.FAILED, str(error)
    except Exception as error:
        state, reason = RunState.FAILED, f"{type(error).__name__}: {error}"
        (folder.path / "error.txt").write_text(traceback.format_exc())
        log.exception("run %s failed", folder.id)
    seconds = clock.seconds
    figures: dict[str, Any] = {}
    try:
        if recorder is not None:
            if last is not None:
                recorder.offer(last, seconds, must=True)
            recorder.close()
        if last is not None:
            figures = conclude(config, folder, cache, last, seconds, grid)
    except Exception as error:  # a run that ran must not be lost because judging it failed
        log.exception("run %s could not be judged", folder.id)
        state, reason = RunState.FAILED, reason or f"judging failed: {type(error).__name__}: {error}"
    ledger.update(folder.id, state, reason=reason, ended=time.time(), **figures)
    return state


def _file_news(folder: RunFolder, control: RunControl, step: int) -> None:
    for event in control.take_news():
        note_event(folder, step, event.pop("kind"), **event)


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
