"""Writing frames as they come, on a thread of its own, without ever holding the attack up."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable

from safetensors.torch import save
from torch import Tensor

from workbench.core.errors import StoreError
from workbench.core.records import Frame
from workbench.core.weights import write_atomically
from workbench.priors.plane import Plane
from workbench.runs.contact_sheet import SheetLayout
from workbench.runs.payloads import Recorded, recorded
from workbench.runs.run_folder import RunFolder

SHARE = 0.03  # of the time, most that writing frames may take
KEPT = 240  # frames on disk; beyond it every other old one goes
LATELY = 8  # frames over which their cost is averaged
LINES = 600  # lines in the growing files before only every 2nd, 4th, ... frame adds one


class Recorder:
    """Records one run.

    A frame offered while the last one is still being written is dropped, unless it must be kept.

    Args:
        plane: projects latents (N, D), or flattened images where the attack has no latents.
        fps: most frames a second that `wants` asks for; fewer where writing them would take more than `SHARE` of the time.
        clock: seconds, monotonic.
        spent: seconds of work of the thread that asks.
    """

    def __init__(
        self,
        folder: RunFolder,
        grid: SheetLayout,
        plane: Plane | None,
        *,
        fps: float = 12.0,
        clock: Callable[[], float] = time.monotonic,
        spent: Callable[[], float] = time.thread_time,
    ) -> None:
        self.folder, self.grid, self.plane, self.clock = folder, grid, plane, clock
        self._spent, self._cost = spent, 0.0  # seconds that a frame takes, as it was lately
        self.interval = self.shortest = 1 / fps
        self._slot: queue.Queue[tuple[Frame, float] | None] = queue.Queue(maxsize=1)
        self._next = -1e9
        self._number = 0
        self._numbers: list[int] = []
        self._lines, self._stride = 0, 1
        self._note = ""
        self._curves: list[str] | None = None  # names in the header, those of the first frame that has any
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    def wants(self) -> bool:
        """Return whether a frame made now would be written: one is due and none is waiting."""
        return self.clock() >= self._next and not self._slot.full()

    def offer(self, frame: Frame, seconds: float, *, must: bool = False) -> None:
        """Hand over a frame; returns at once unless it must be kept.

        Args:
            seconds: run time so far, pauses not counted.

        Raises:
            StoreError: an earlier frame could not be written.
        """
        self._ensure_written()
        # Counted from when it was due, so that waiting for a step's end does not lower the rate.
        self._next = max(self._next, self.clock() - self.interval) + self.interval
        try:
            self._slot.put((frame, seconds), block=must)
        except queue.Full:
            return

    def close(self) -> None:
        """Finish what was offered, then stop; raises `StoreError` if any of it could not be written."""
        self._slot.put(None)
        self._thread.join()
        self._ensure_written()

    def _ensure_written(self) -> None:
        if self._error is not None:
            raise StoreError(
                f"Frames of run {self.folder.id} cannot be written ({self._error}). Free some space or "
                "name another folder."
            ) from self._error

    def _work(self) -> None:
        while (item := self._slot.get()) is not None:
            if self._error is None:
                began = self._spent()
                try:
                    self._write(*item)
                except OSError as error:
                    self._error = error
                if self._number > 1:  # the first one also loads what it needs
                    self._cost += (self._spent() - began - self._cost) / LATELY
                    self.interval = max(self.shortest, self._cost / SHARE)

    def _write(self, frame: Frame, seconds: float) -> None:
        number, frames = self._number, self.folder.path / "frames"
        self._number += 1
        recorded_frame = recorded(frame.payload, self.plane)
        self._append_note(number, frame)
        if number % self._stride == 0:
            self._append(number, frame, recorded_frame, seconds)
        # The tensors come last: a frame is there once they are.
        if recorded_frame.sheet is not None:
            write_atomically(frames / f"{number:06d}.jpg", recorded_frame.sheet(self.grid))
        write_atomically(frames / f"{number:06d}.safetensors", save(recorded_frame.tensors))
        self.folder.append("frames/latest", str(number))  # replacing a file takes ten times as long as adding a line
        self._numbers.append(number)
        if len(self._numbers) > KEPT:
            for old in self._numbers[1:-1:2]:
                for suffix in ("safetensors", "jpg"):
                    (frames / f"{old:06d}.{suffix}").unlink(missing_ok=True)
            self._numbers = [self._numbers[0], *self._numbers[2:-1:2], self._numbers[-1]]
            self._numbers = sorted(set(self._numbers))

    def _append(self, number: int, frame: Frame, recorded_frame: Recorded, seconds: float) -> None:
        """Add a line to each of the growing files."""
        confidence = recorded_frame.confidence
        if frame.losses:
            self._append_curves(number, frame, confidence, seconds)
        if self.plane is not None and recorded_frame.points is not None:
            points = self.plane.project(recorded_frame.points)
            self.folder.append("path.csv", f"{number}," + ",".join(f"{v:.3g}" for v in points.flatten().tolist()))
        percent = (
            [""] * frame.payload.count if confidence is None else [f"{v:.0f}" for v in (confidence * 100).tolist()]
        )
        self.folder.append("confidence.csv", f"{number}," + ",".join(percent))
        self._lines += 1
        if self._lines >= LINES:
            self._lines, self._stride = LINES // 2, self._stride * 2

    def _append_note(self, number: int, frame: Frame) -> None:
        """Add what the attack is doing, if that is another thing than before."""
        note = " ".join(frame.note.split())  # on one line
        if note != self._note:
            self._note = note
            self.folder.append("notes.csv", f"{number},{frame.step},{note}")

    def _append_curves(self, number: int, frame: Frame, confidence: Tensor | None, seconds: float) -> None:
        """Add the means over candidates; each under its own name, blank where a frame has none of that name."""
        if self._curves is None:
            self._curves = list(frame.losses)
            self.folder.append(
                "curves.csv", ",".join(["frame", "step", "seconds", "queries", "confidence", *self._curves])
            )
        means = {name: f"{value.float().mean().item():.5g}" for name, value in frame.losses.items()}
        mean = "" if confidence is None else f"{confidence.mean().item():.5g}"
        line = [str(number), str(frame.step), f"{seconds:.3f}", str(frame.queries), mean]
        self.folder.append("curves.csv", ",".join([*line, *(means.get(name, "") for name in self._curves)]))


def note_event(folder: RunFolder, step: int, kind: str, **what: object) -> None:
    """Add an event of the run, such as a knob change, to its record."""
    folder.append("events.jsonl", json.dumps({"step": step, "kind": kind, **what}))
