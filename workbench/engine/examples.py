"""Recorded examples of the first page's cards: a finished run, reduced to what the stage plays before anything has run.

An example is a run's folder without its tensors: `run.json`, `judgement.json`, `scene.json`, the curves and confidences of
the frames that are kept, `truth.webp` and `MOST_FRAMES` contact sheets at most. It lies with the assets, under its card's
key, and is made by a run of the card with its own seed and nothing else.
"""

from __future__ import annotations

import base64
import io
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from workbench.core.errors import Failure, StoreError
from workbench.core.paths import ASSETS
from workbench.core.weights import write_atomically
from workbench.engine.presets import Preset
from workbench.runs.run_folder import RunFolder

EXAMPLES = ASSETS / "examples"
MOST_FRAMES = 24
MOST_BYTES = 150_000  # of an example, so that the page has it soon and the package stays small
QUALITIES = (85, 75, 65, 55, 45, 35)  # of WebP: the first at which an example is small enough
EARLY = 1.6  # how much denser kept frames lie at the beginning, where pictures change most
SUMMED = ("n", "overall", "intervals", "per_class")  # of floor and ceiling, what an example tells
TOLD = (  # of a run's record, what an example tells
    "config",
    "requested",
    "versions",
    "state",
    "shape",
    "candidates",
    "steps",
    "seconds",
    "steps_per_second",
    "queries",
    "target_accuracy",
    "metrics",
    "baseline",
    "verdict",
)


def kept_frames(frames: Sequence[int], most: int = MOST_FRAMES) -> list[int]:
    """Return at most `most` of a run's frames, the first and the last among them, more of the early ones."""
    if len(frames) <= most:
        return list(frames)
    places = {round((i / (most - 1)) ** EARLY * (len(frames) - 1)) for i in range(most)}
    return [frames[place] for place in sorted(places)]


def smaller(sheet: bytes, quality: int) -> bytes:
    """Return a contact sheet as lossy WebP of that quality."""
    held = io.BytesIO()
    Image.open(io.BytesIO(sheet)).convert("RGB").save(held, "WEBP", quality=quality, method=6)
    return held.getvalue()


def lines_of(text: str, frames: set[int]) -> str:
    """Return the lines of a run's text that belong to one of `frames`, which the first column names, and a header."""
    kept = [line for line in text.splitlines() if not (first := line.split(",")[0]).isdigit() or int(first) in frames]
    return "".join(f"{line}\n" for line in kept)


def without_images(judgement: Mapping[str, Any]) -> dict[str, Any]:
    """Return a judgement without what it says of each single image of floor and ceiling, which are many."""
    shares = {
        part: {name: judgement[part][name] for name in SUMMED if name in judgement[part]}
        for part in ("baseline", "ceiling")
        if judgement.get(part)
    }
    return {**judgement, **shares}


def reduced(folder: RunFolder) -> Iterator[dict[str, bytes]]:
    """Yield the files of a finished run's example, by name, smaller and smaller ones.

    Raises:
        StoreError: the run's frames have no pictures.
    """
    manifest, frames = folder.manifest(), kept_frames(folder.frames())
    told = {name: manifest[name] for name in TOLD if name in manifest}
    scene = {name: value for name, value in folder.scene().items() if name != "cloud"}  # the stage draws no plots of it
    texts = {
        "run.json": json.dumps(told, indent=1),
        "judgement.json": json.dumps(without_images(folder.judgement() or {})),
        "scene.json": json.dumps(scene),
        "curves.csv": lines_of(folder.curves(), set(frames)),
        "confidence.csv": lines_of(folder.confidence(), set(frames)),
    }
    files = {name: text.encode() for name, text in texts.items()}
    truth = folder.path / "truth.webp"
    for quality in QUALITIES:
        sheets = {f"frames/{n:06d}.webp": smaller(folder.sheet(n), quality) for n in frames}
        private = {"truth.webp": smaller(truth.read_bytes(), quality)} if truth.is_file() else {}
        yield {**files, **private, **sheets}


def keep_example(folder: RunFolder, key: str, root: Path = EXAMPLES) -> int:
    """Keep a finished run as a card's example, instead of an earlier one; returns its size in bytes.

    Raises:
        Failure: it cannot be made small enough.
        StoreError: the run's frames have no pictures.
    """
    for files in reduced(folder):
        size = sum(map(len, files.values()))
        if size <= MOST_BYTES:
            break
    else:
        raise Failure(
            f"The example of {key} has {size // 1000} kB where {MOST_BYTES // 1000} kB are allowed. "
            "Give the card fewer classes or tries."
        )
    shutil.rmtree(root / key, ignore_errors=True)
    (root / key / "frames").mkdir(parents=True)
    for name, data in files.items():
        write_atomically(root / key / name, data)
    return size


def has_example(card: Preset, root: Path = EXAMPLES) -> bool:
    """Return whether a card has an example that was made with the card's own configuration, as it is now.

    Where it ran is no setting. Everything else counts, so that what is shown is what a press of Run repeats.
    """
    try:
        made_with = RunFolder(root / card.key).config()
    except StoreError:
        return False
    return replace(made_with, device=card.config.device) == card.config


def example_of(
    card: Preset, scene: Callable[[RunFolder, dict[str, Any]], dict[str, Any]], root: Path = EXAMPLES
) -> dict[str, Any] | None:
    """Return what the stage plays of a card, as one plain record; None for a card without an example.

    Args:
        scene: returns what stays the same throughout a run, as the live view is told it.
    """
    if not has_example(card, root):
        return None
    folder = RunFolder(root / card.key)
    manifest, sheets = folder.manifest(), sorted((folder.path / "frames").glob("[0-9]*.webp"))
    truth = folder.path / "truth.webp"
    return {
        "key": card.key,
        "scene": {**scene(folder, manifest), "pairs": truth.is_file()},
        "status": {
            "state": manifest["state"],
            "step": manifest.get("steps"),
            **{name: manifest.get(name) for name in ("queries", "metrics", "baseline", "verdict", "target_accuracy")},
        },
        "curves": folder.curves(),
        "conf": folder.confidence(),
        "truth": picture(truth.read_bytes()) if truth.is_file() else "",
        "frames": [{"frame": int(sheet.stem), "sheet": picture(sheet.read_bytes())} for sheet in sheets],
    }


def picture(data: bytes) -> str:
    """Return a WebP as a data address."""
    return "data:image/webp;base64," + base64.b64encode(data).decode()
