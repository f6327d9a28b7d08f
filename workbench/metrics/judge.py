"""Judging a set of reconstructions by every registered metric and by every recogniser of the panel, with intervals."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.core.intervals import Interval, mean_interval, share_interval
from workbench.metrics.base import METRICS, EvalContext, Judged, known
from workbench.metrics.panel_verdict import PanelVerdict, verdict_of
from workbench.metrics.photographs import NearestOfPhotograph, nearest_of_photographs
from workbench.metrics.sets import SetFigure, figures_of_set
from workbench.recognisers import Panel


@dataclass(frozen=True)
class Judgement:
    """What every metric says of N images.

    Attributes:
        overall: metric to mean, None where the metric says nothing of this scenario.
        intervals: metric to its 95 % interval, a person counted once however often it was tried: Wilson's for shares,
            Student's for the rest.
        per_class: class (as text, for JSON) to metric to mean.
        per_image: metric to one value an image; None where it is infinite.
        nearest: for each image, which private training image of its class is nearest in features; [] without them.
        evaluator_class, evaluator_confidence: the evaluator's first choice for each image.
        panel: what each recogniser says.
        sets: measure of the set as a whole to its value and interval.
        photographs: what came nearest to each private training image; None where nobody asked for it.
    """

    n: int
    overall: dict[str, float | None]
    intervals: dict[str, Interval | None]
    per_class: dict[str, dict[str, float | None]]
    per_image: dict[str, list[float | None] | None]
    nearest: list[int]
    evaluator_class: list[int]
    evaluator_confidence: list[float]
    panel: tuple[PanelVerdict, ...]
    sets: dict[str, SetFigure]
    photographs: NearestOfPhotograph | None = None

    def to_json(self) -> dict[str, Any]:
        """Return everything but the panel's verdicts, which are told beside each other; see `panel_json`."""
        return {k: v for k, v in asdict(self).items() if k != "panel" and v is not None}


def panel_json(found: Judgement, floor: Judgement | None, ceiling: Judgement | None) -> list[dict[str, Any]]:
    """Return what each recogniser says of reconstructions, with its accuracy on the floor and the ceiling (or None)."""

    def accuracy(judgement: Judgement | None, key: str) -> float | None:
        return next((v.accuracy for v in judgement.panel if v.key == key), None) if judgement is not None else None

    return [{**asdict(v), "baseline": accuracy(floor, v.key), "ceiling": accuracy(ceiling, v.key)} for v in found.panel]


def sets_json(found: Judgement, floor: Judgement | None, ceiling: Judgement | None) -> dict[str, dict[str, Any]]:
    """Return each measure of the set with its interval, beside that of the floor and the ceiling (or None)."""

    def beside(judgement: Judgement | None, key: str) -> float | None:
        return None if judgement is None else judgement.sets[key].value

    return {
        key: {**asdict(figure), "baseline": beside(floor, key), "ceiling": beside(ceiling, key)}
        for key, figure in found.sets.items()
    }


def judge(
    images: Tensor,
    labels: Tensor,
    context: EvalContext,
    panel: Panel | None = None,
    *,
    heldout: bool = False,
    photographs: bool = False,
    truth: Tensor | None = None,
) -> Judgement:
    """Judge images (N, C, H, W) in [0, 1] made for classes (N,).

    Args:
        panel: who votes; everyone of the context's panel if None.
        heldout: whether these are the scenario's held-out images; see `Judged`.
        photographs: whether to say of every private training image what came nearest to it.
        truth: (N, C, H, W) the picture that each was to recover; None where a class was attacked.
    """
    judged = Judged(images.float().cpu(), labels.cpu(), context, heldout, truth)
    overall: dict[str, float | None] = {}
    intervals: dict[str, Interval | None] = {}
    per_image: dict[str, list[float | None] | None] = {}
    per_class: dict[str, dict[str, float | None]] = {str(c): {} for c in labels.unique().tolist()}
    for entry in METRICS:
        values = known(entry.item, judged)
        overall[entry.key] = None if values is None else _finite(values.mean().item())
        intervals[entry.key] = None if values is None else _interval(values, judged.labels, entry.info.unit)
        per_image[entry.key] = None if values is None else [_finite(v) for v in values.tolist()]
        for c, row in per_class.items():
            row[entry.key] = None if values is None else _finite(values[judged.labels == int(c)].mean().item())
    best = judged.logits.softmax(1).max(1)
    return Judgement(
        n=len(labels),
        overall=overall,
        intervals=intervals,
        per_class=per_class,
        per_image=per_image,
        nearest=judged.feature_distances.argmin(1).tolist() if context.has_photographs else [],
        evaluator_class=best.indices.tolist(),
        evaluator_confidence=best.values.tolist(),
        panel=tuple(verdict_of(member, judged) for member in panel or context.panel),
        sets=figures_of_set(judged),
        photographs=nearest_of_photographs(judged) if photographs and context.has_photographs else None,
    )


def ceiling(context: EvalContext) -> Judgement:
    """Judge the private held-out images as if they were reconstructions: the best that could be had."""
    return judge(context.private.heldout.images, context.private.heldout.labels, context, heldout=True)


def _interval(values: Tensor, labels: Tensor, unit: str) -> Interval | None:
    if not torch.isfinite(values).all():
        return None
    return share_interval(values, labels) if unit == "share" else mean_interval(values, labels)


def _finite(value: float) -> float | None:
    """Return `value`, or None if it is infinite: PSNR of identical images has no JSON form."""
    return value if math.isfinite(value) else None
