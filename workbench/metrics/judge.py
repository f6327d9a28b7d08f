"""Judging a set of reconstructions by every registered metric, with intervals."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.core.intervals import interval
from workbench.metrics.base import METRICS, EvalContext, Judged


@dataclass(frozen=True)
class Judgement:
    """What every metric says of N images.

    Attributes:
        overall: metric to mean, None where the metric says nothing of this scenario.
        intervals: metric to its 95 % interval: Wilson's for shares, Student's for the rest.
        per_class: class (as text, for JSON) to metric to mean.
        per_image: metric to one value an image.
        nearest: for each image, which private training image of its class is nearest in features.
        evaluator_class, evaluator_confidence: the evaluator's first choice for each image.
    """

    n: int
    overall: dict[str, float | None]
    intervals: dict[str, tuple[float, float] | None]
    per_class: dict[str, dict[str, float | None]]
    per_image: dict[str, list[float] | None]
    nearest: list[int]
    evaluator_class: list[int]
    evaluator_confidence: list[float]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def finite(value: float) -> float | None:
    """Return `value`, or None if it is infinite: PSNR of identical images has no JSON form."""
    return value if math.isfinite(value) else None


def judge(images: Tensor, labels: Tensor, context: EvalContext) -> Judgement:
    """Judge images (N, C, H, W) in [0, 1] made for classes (N,)."""
    judged = Judged(images.float().cpu(), labels.cpu(), context)
    overall: dict[str, float | None] = {}
    intervals: dict[str, tuple[float, float] | None] = {}
    per_image: dict[str, list[float] | None] = {}
    per_class: dict[str, dict[str, float | None]] = {str(c): {} for c in labels.unique().tolist()}
    for entry in METRICS:
        values = entry.item(judged)
        known = values is not None and bool(torch.isfinite(values).all())
        overall[entry.key] = values.mean().item() if known else None
        intervals[entry.key] = interval(values, entry.info["unit"] == "share") if known else None
        per_image[entry.key] = [finite(v) for v in values.tolist()] if values is not None else None
        for c, row in per_class.items():
            row[entry.key] = None if values is None else finite(values[judged.labels == int(c)].mean().item())
    best = judged.logits.softmax(1).max(1)
    return Judgement(
        len(labels),
        overall,
        intervals,
        per_class,
        per_image,
        judged.feature_distances.argmin(1).tolist(),
        best.indices.tolist(),
        best.values.tolist(),
    )


def ceiling(context: EvalContext) -> Judgement:
    """Judge the private held-out images as if they were reconstructions: the best that could be had."""
    return judge(context.private.heldout.images, context.private.heldout.labels, context)
