"""Judging a run that was cut short, from the last frame that was recorded of it."""

from __future__ import annotations

import csv
from typing import Any

import torch
from torch import Tensor

from workbench.core.errors import StoreError
from workbench.core.payloads import Images
from workbench.core.records import Frame
from workbench.engine.conclude import conclude
from workbench.engine.model_cache import ModelCache
from workbench.engine.resolve import Resolved, resolve
from workbench.runs.ledger import FolderLedger, Ledger
from workbench.runs.run_folder import RunFolder


def conclude_later(folder: RunFolder, cache: ModelCache, ledger: Ledger | None = None) -> dict[str, Any]:
    """Write and judge the result of a run that has none, because its process was killed or the application closed.

    What the run would have come to nobody knows; this is where its last recorded frame stood. How it ended stays on
    record as it is.

    Args:
        ledger: where the figures are filed; the run's own folder alone if None.

    Returns:
        The figures, as those of any run that ended by itself; `judged_frame` is the frame's number.

    Raises:
        StoreError: it is still going, it has a result, or no frame was recorded of it.
    """
    if not folder.state().ended:
        raise StoreError(f"Run {folder.id} is still {folder.state().value}. It is judged when it has ended.")
    if folder.has_result():
        raise StoreError(f"Run {folder.id} has a result already.")
    frames = folder.frames()
    if not frames:
        raise StoreError(f"No frame was recorded of run {folder.id}, so there is nothing to judge.")
    scene = folder.scene()
    if scene.get("payload", Images.kind) != Images.kind:
        raise StoreError(f"Run {folder.id} recorded no images, and nothing else can be judged afterwards.")
    number, run = frames[-1], resolve(folder.config(), cache)
    line = _line(folder, number)
    step = int(line.get("step", 0))
    frame = Frame(
        step, int(scene.get("total", step)), _payload(run, folder, number, cache), queries=int(line.get("queries", 0))
    )
    figures = conclude(run, folder, cache, frame, float(line.get("seconds", 0.0))) | {"judged_frame": number}
    (ledger or FolderLedger(folder)).update(folder.id, **figures)
    return figures


def _payload(run: Resolved, folder: RunFolder, number: int, cache: ModelCache) -> Images:
    """Return the images of a recorded frame, (N, C, H, W) in [0, 1], decoded anew where it holds latents."""
    tensors = folder.tensors(number)
    latents, confidence = tensors.get("latents"), tensors.get("confidence")
    return Images(_decoded(run, latents, cache) if latents is not None else tensors["images"], latents, confidence)


def _decoded(run: Resolved, latents: Tensor, cache: ModelCache) -> Tensor:
    if run.prior is None:
        raise StoreError("The frame holds latents, and the run names no prior that would draw them.")
    with torch.no_grad():
        return run.prior.decode(latents.to(cache.device), run.labels.to(cache.device))


def _line(folder: RunFolder, number: int) -> dict[str, str]:
    """Return the curves' line of a frame, or the last one before it; {} without one."""
    line: dict[str, str] = {}
    for row in csv.DictReader(folder.curves().splitlines()):
        if int(row["frame"]) > number:
            break
        line = row
    return line
