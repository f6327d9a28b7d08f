"""A training's folder: written by the worker, read by any number of viewers, live or later.

::

    run.json             configuration, versions, state, expected length
    losses.csv           one line a report: step,seconds,<losses>; only ever grows
    progress.json        the newest report: step, total, seconds, left
    samples/000250.webp  16 samples of the same latents, at each checkpoint
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.core.errors import DamagedRun, StoreError
from workbench.core.records import TrainingConfig
from workbench.runs.job_folder import JobFolder

SAMPLES = "samples"


@dataclass(frozen=True)
class TrainingFolder(JobFolder):
    """Reads one training."""

    @classmethod
    def fresh(cls, path: Path, config: TrainingConfig, **fields: Any) -> TrainingFolder:
        """Make the folder of a training that waits to start; raises `StoreError` if it cannot be written."""
        return cls._made(path, SAMPLES, config, **fields)

    def config(self) -> TrainingConfig:
        """Return what is trained; raises `DamagedRun`."""
        try:
            return TrainingConfig.from_json(self.manifest()["config"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DamagedRun(f"{self.path / 'run.json'} holds no configuration of a training ({error}).") from None

    def progress(self) -> dict[str, Any]:
        """Return step, total, seconds and seconds left (None where unknown); {} before the first report."""
        return self.read_json("progress.json") or {}

    def losses(self) -> str:
        """Return the losses so far as CSV with a header; "" before the first report."""
        return self.whole_lines("losses.csv")

    def sampled(self) -> list[int]:
        """Return the steps of which there are samples, in order."""
        return sorted(int(p.stem) for p in (self.path / SAMPLES).glob("[0-9]*.webp"))

    def samples(self, step: int) -> bytes:
        """Return the samples of a step as WebP; raises `StoreError` if there are none."""
        try:
            return self.samples_path(step).read_bytes()
        except OSError:
            raise StoreError(f"Training {self.id} has no samples of step {step}.") from None

    def samples_path(self, step: int) -> Path:
        return self.path / SAMPLES / f"{step:06d}.webp"
