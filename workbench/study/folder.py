"""A study's folder: what is asked, frozen, its pictures, and the answers beside it.

::

    studies/<id>/
        study.json          the design, every question, what is judged and what judges said of it; never written again
        pictures/0012.png   what is shown, under numbers that mean nothing
        answers.sqlite      raters and their answers
"""

from __future__ import annotations

import io
import json
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from workbench.core.errors import StoreError
from workbench.core.weights import write_atomically
from workbench.study.design import Design
from workbench.study.sources import Reconstructions
from workbench.study.stimuli import Stimulus

STUDIES = "studies"  # the folder of the studies in a run store
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is taken for another when it is read out
STUDY_ID = re.compile(f"[{LETTERS}]{{10}}")


@dataclass(frozen=True)
class StudyFolder:
    """Reads one study. What is frozen is read once."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @cached_property
    def record(self) -> dict[str, Any]:
        """What was frozen; raises `StoreError` if it cannot be read."""
        try:
            held = json.loads((self.path / "study.json").read_bytes())
            Design.from_json(held["design"])
        except OSError as error:
            raise StoreError(f"{self.path / 'study.json'} cannot be read ({error.strerror}).") from None
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise StoreError(f"{self.path / 'study.json'} is not the record of a study ({error}).") from None
        return held

    @cached_property
    def design(self) -> Design:
        return Design.from_json(self.record["design"])

    @cached_property
    def stimuli(self) -> tuple[Stimulus, ...]:
        return tuple(Stimulus.from_json(held) for held in self.record["stimuli"])

    @property
    def owner(self) -> str:
        return str(self.record["owner"])

    @property
    def title(self) -> str:
        return self.design.title or f"{self.design.task.label} ({self.design.scenario})"

    def picture(self, number: int) -> bytes:
        """Return a picture as PNG; raises `StoreError` if there is none of that number."""
        try:
            return (self.path / "pictures" / f"{number:04d}.png").read_bytes()
        except OSError:
            raise StoreError(f"Study {self.id} has no picture {number}.") from None


def frozen(
    root: Path,
    design: Design,
    stimuli: list[Stimulus],
    pictures: list[Tensor],
    sources: list[Reconstructions],
    owner: str,
    **facts: Any,
) -> StudyFolder:
    """Write a study; returns its folder.

    Args:
        root: the run store's folder.
        pictures: (C, H, W) in [0, 1] each.
        facts: more of what stays, such as the classes' names.

    Raises:
        StoreError: it cannot be written.
    """
    path = root / STUDIES / "".join(secrets.choice(LETTERS) for _ in range(10))
    record = {
        "id": path.name,
        "created": time.time(),
        "owner": owner,
        "design": design.to_json(),
        **facts,
        "sources": [
            {
                "run": s.run,
                "title": s.title,
                "labels": s.labels.tolist(),
                "metrics": s.metrics,
                "judges": s.judges,
                "scores": s.scores,
                "titles": s.titles,
            }
            for s in sources
        ],
        "stimuli": [s.to_json() for s in stimuli],
    }
    try:
        for number, image in enumerate(pictures):
            write_atomically(path / "pictures" / f"{number:04d}.png", png(image))
        write_atomically(path / "study.json", json.dumps(record, allow_nan=False).encode(), durable=True)
    except OSError as error:
        shutil.rmtree(path, ignore_errors=True)
        raise StoreError(f"The study cannot be written to {path} ({error.strerror}). Free some space.") from None
    return StudyFolder(path)


def png(image: Tensor) -> bytes:
    """Return a picture (C, H, W) in [0, 1] as PNG, with nothing beside its pixels."""
    pixels: np.ndarray = (image.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    held = io.BytesIO()
    Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)).convert("RGB").save(held, "PNG")
    return held.getvalue()


def find(root: Path, study: str) -> StudyFolder:
    """Return a study of a run store by its id; raises `StoreError` if it is malformed or not here."""
    path = root / STUDIES / study
    if not STUDY_ID.fullmatch(study) or not (path / "study.json").is_file():
        raise StoreError("There is no such study here. Its link may be mistyped, or the study was deleted.")
    return StudyFolder(path)


def studies(root: Path) -> Iterator[StudyFolder]:
    """Yield every study of a run store that can be read, the newest first."""
    found = []
    for path in (root / STUDIES).glob("*/study.json"):
        folder = StudyFolder(path.parent)
        try:
            found.append((float(folder.record["created"]), folder))
        except (StoreError, KeyError, TypeError, ValueError):
            continue
    for _, folder in sorted(found, key=lambda pair: -pair[0]):
        yield folder
