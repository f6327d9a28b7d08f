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
    frames/000012.webp         contact sheet, where the payload has one
    frames/000012.safetensors  of images: latents, or images of an attack on pixels; confidence; cloud (M, 3) in the
                               plane with cloud_of (M,), the candidate each point belongs to
    result.safetensors   labels and, of images, images and latents of the end

Curves and path only ever grow, so that a viewer needs no more than what was added since it looked.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, load_file
from torch import Tensor

from workbench.core.errors import DamagedRun, StoreError
from workbench.core.records import RunConfig
from workbench.core.versions import versions
from workbench.runs.job_folder import JobFolder


@dataclass(frozen=True)
class RunFolder(JobFolder):
    """Reads one run. Every method sees what has been written so far and never a half-written frame."""

    @classmethod
    def fresh(cls, path: Path, config: RunConfig, shape: tuple[int, int, int], **fields: Any) -> RunFolder:
        """Make the folder of a run that waits to start; raises `StoreError` if it cannot be written."""
        try:
            (path / "frames").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"The run folder {path} cannot be written ({error.strerror}). Choose another with --out, "
                "--runs or the WORKBENCH_RUNS variable."
            ) from None
        folder = cls(path)
        folder.write_manifest(
            {
                "id": path.name,
                "config": config.to_json(),
                "versions": versions(),
                "state": "queued",
                "reason": "",
                "name": "",
                "created": time.time(),
                "shape": list(shape),
                "candidates": [{"class": c, "restart": r} for c in config.classes for r in range(config.restarts)],
                **fields,
            }
        )
        return folder

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
        return sorted(int(p.stem) for p in (self.path / "frames").glob("[0-9]*.safetensors"))

    def latest(self) -> int | None:
        """Return the number of the newest frame without listing the folder, or None."""
        try:
            return int((self.path / "frames" / "latest").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def sheet(self, frame: int) -> bytes:
        """Return the contact sheet of a frame as WebP; raises `StoreError` if it was not recorded, or not drawn."""
        path = self.path / "frames" / f"{frame:06d}.webp"
        try:
            return path.read_bytes()
        except OSError:
            drawn = not path.with_suffix(".safetensors").is_file()
            raise StoreError(f"Run {self.id} has no {'' if drawn else 'picture of '}frame {frame}.") from None

    def tensors(self, frame: int) -> dict[str, Tensor]:
        """Return what a frame holds: of images, `latents` (N, D) or `images` (N, C, H, W) in [0, 1], `confidence` (N,)."""
        try:
            held = load((self.path / "frames" / f"{frame:06d}.safetensors").read_bytes())
        except OSError:
            raise StoreError(f"Run {self.id} has no frame {frame}.") from None
        return {k: v.float() / 255 if v.dtype == torch.uint8 else v for k, v in held.items()}

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
