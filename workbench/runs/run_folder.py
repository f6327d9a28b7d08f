"""A run's folder: written by one recorder, read by any number of viewers, live or years later.

::

    run.json             configuration as it ran, what of it was asked for otherwise, versions, state, figures
    curves.csv           one line a frame: frame,step,seconds,queries,confidence,<losses>
    path.csv             one line a frame: frame,x,y,z of each candidate in the prior's plane
    confidence.csv       one line a frame: frame,<percent of each candidate, blank where unknown>
    notes.csv            what the attack was doing, a line whenever that changed: frame,step,<a few words>
    events.jsonl         knob changes, pauses, forks
    scene.json           what stays: the kind of payload, candidates, the sheets' grid, the plane's cloud
    truth.webp           the private image beside each candidate, on the same grid
    nearest.webp         the nearest private image of each result, once judged
    judgement.json       metrics of the result, the floor and the ceiling; what each recogniser of the panel says
    attributes.json      of an attribute inference: figures of the attack and every baseline, by value and group
    frames/000012.jpg          contact sheet, where the payload has one; older runs have a WebP
    frames/latest              the newest frame's number is the last line
    frames/000012.safetensors  of images: latents, or images of an attack on pixels; confidence; cloud (M, 3) in the
                               plane with cloud_of (M,), the candidate each point belongs to
    start.safetensors    of a fork: the frame that it begins from, kept here because a run drops frames as it goes on
    result.safetensors   labels and, of images, images and latents of the end

Curves and path only ever grow, so that a viewer needs no more than what was added since it looked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, load_file
from torch import Tensor

from workbench.core.errors import DamagedRun, StoreError
from workbench.core.records import RunConfig
from workbench.runs.job_folder import JobFolder

FRAMES, START = "frames", "start.safetensors"
PICTURES = (".jpg", ".webp")  # of a frame, as it is written and as it was once


@dataclass(frozen=True)
class RunFolder(JobFolder):
    """Reads one run. Every method sees what has been written so far and never a half-written frame."""

    @classmethod
    def fresh(cls, path: Path, config: RunConfig, shape: tuple[int, int, int], **fields: Any) -> RunFolder:
        """Make the folder of a run that waits to start; raises `StoreError` if it cannot be written."""
        candidates = [{"class": c, "restart": r} for c in config.classes for r in range(config.restarts)]
        return cls._made(path, FRAMES, config, **{"shape": list(shape), "candidates": candidates, **fields})

    def config(self) -> RunConfig:
        """Return what was asked for, which is worth repeating elsewhere; the manifest's own one is what ran.

        Raises:
            DamagedRun: the record holds no configuration.
        """
        manifest = self.manifest()
        try:
            return RunConfig.from_json({**manifest["config"], **manifest.get("requested", {})})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DamagedRun(f"{self.path / 'run.json'} holds no configuration of a run ({error}).") from None

    def curves(self) -> str:
        """Return the curves so far as CSV with a header, ending at a whole line; "" before the first frame."""
        return self.whole_lines("curves.csv")

    def path_csv(self) -> str:
        """Return the candidates' coordinates so far as CSV without a header, ending at a whole line."""
        return self.whole_lines("path.csv")

    def confidence(self) -> str:
        """Return the candidates' confidences so far, in percent, as CSV without a header."""
        return self.whole_lines("confidence.csv")

    def notes(self) -> str:
        """Return what the attack was doing so far, as CSV without a header; only the last column may hold commas."""
        return self.whole_lines("notes.csv")

    def scene(self) -> dict[str, Any]:
        """Return what stays the same throughout the run; {} before it started."""
        return self.read_json("scene.json") or {}

    def judgement(self) -> dict[str, Any] | None:
        """Return the metrics of the result, floor and ceiling; None before judging."""
        return self.read_json("judgement.json")

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.whole_lines("events.jsonl").splitlines()]

    def frames(self) -> list[int]:
        """Return the numbers of the recorded frames, in order."""
        return sorted(int(p.stem) for p in (self.path / FRAMES).glob("[0-9]*.safetensors"))

    def latest(self) -> int | None:
        """Return the number of the newest frame without listing the folder, or None."""
        try:
            return int(self.last_line("frames/latest") or (self.path / FRAMES / "latest").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def sheet(self, frame: int) -> bytes:
        """Return the contact sheet of a frame; raises `StoreError` if it was not recorded, or not drawn."""
        path = self.path / FRAMES / f"{frame:06d}.jpg"
        for kind in PICTURES:
            try:
                return path.with_suffix(kind).read_bytes()
            except OSError:
                continue
        drawn = not path.with_suffix(".safetensors").is_file()
        raise StoreError(f"Run {self.id} has no {'' if drawn else 'picture of '}frame {frame}.")

    def has_sheet(self, frame: int) -> bool:
        """Return whether a frame was recorded and drawn."""
        return any((self.path / FRAMES / f"{frame:06d}{kind}").is_file() for kind in PICTURES)

    def tensors(self, frame: int) -> dict[str, Tensor]:
        """Return what a frame holds: of images, `latents` (N, D) or `images` (N, C, H, W) in [0, 1], `confidence` (N,)."""
        return _tensors(self._frame(frame))

    def _frame(self, frame: int) -> bytes:
        try:
            return (self.path / FRAMES / f"{frame:06d}.safetensors").read_bytes()
        except OSError:
            raise StoreError(f"Run {self.id} has no frame {frame}.") from None

    def begin_from(self, source: RunFolder, frame: int) -> None:
        """Keep a frame of another run as what this one begins from; raises `StoreError` if it is gone."""
        (self.path / START).write_bytes(source._frame(frame))

    def begin_as(self, repeated: RunFolder) -> bool:
        """Begin from what another run began from; returns whether that was kept."""
        if kept := (repeated.path / START).is_file():
            (self.path / START).write_bytes((repeated.path / START).read_bytes())
        return kept

    def start(self) -> dict[str, Tensor] | None:
        """Return the frame that this run begins from, as `tensors` has it, if it is kept here."""
        try:
            return _tensors((self.path / START).read_bytes())
        except FileNotFoundError:
            return None

    def result(self) -> dict[str, Tensor]:
        """Return `labels` (N,) and what the payload's result holds: `images` (N, C, H, W) in [0, 1], `latents` (N, D)."""
        try:
            return load_file(self.path / "result.safetensors")
        except OSError:
            raise StoreError(f"Run {self.id} has no result yet; it is {self.manifest()['state']}.") from None

    def has_result(self) -> bool:
        return (self.path / "result.safetensors").is_file()


def run_folders(root: Path) -> Iterator[RunFolder]:
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        if (path / "run.json").is_file():
            yield RunFolder(path)


def _tensors(data: bytes) -> dict[str, Tensor]:
    """Return what a recorded frame holds; pictures were kept as bytes."""
    return {k: v.float() / 255 if v.dtype == torch.uint8 else v for k, v in load(data).items()}
