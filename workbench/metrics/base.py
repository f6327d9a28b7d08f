"""What a metric declares, and what it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeVar

import torch
from torch import Tensor

from workbench.core.errors import DataMissing
from workbench.core.registry import Info, Registry
from workbench.recognisers import Panel, Recogniser
from workbench.recognisers.detail import detail
from workbench.recognisers.evaluator import Evaluator
from workbench.scenarios import Split

Metric = Callable[["Judged"], Tensor | None]
MetricT = TypeVar("MetricT", bound=Metric)
Said = TypeVar("Said")

# The matrix product that torch prefers finds a copy of an image 0.01 away from it.
EXACT = "donot_use_mm_for_euclid_dist"

METRICS: Registry[Metric, MetricInfo] = Registry("metric", "workbench.metrics")


@dataclass(frozen=True, kw_only=True)
class MetricInfo(Info):
    """What a metric says of itself.

    Attributes:
        unit: what the number counts; "share" for values of 0 to 1 whose mean is a share of the images.
        best: the direction of more leakage.
        compares: what is compared with what, in a sentence.
        source: the paper or package that defines it.
    """

    unit: str
    best: Literal["higher", "lower"]
    compares: str
    source: str


def metric(
    key: str,
    *,
    title: str,
    unit: str,
    best: Literal["higher", "lower"],
    compares: str,
    source: str,
    order: int = 100,
) -> Callable[[MetricT], MetricT]:
    """Register a function from `Judged` to one value an image, (N,), or None where it says nothing.

    One that compares with private images need not ask whether they are here: where they are not, it says nothing.

    The arguments are those of `MetricInfo`.
    """
    if best not in ("higher", "lower"):
        raise ValueError(f"best={best!r} is neither 'higher' nor 'lower'")
    info = MetricInfo(key=key, title=title, order=order, unit=unit, best=best, compares=compares, source=source)

    def keep(function: MetricT) -> MetricT:
        METRICS.register(info)(function)
        return function

    return keep


class EvalContext:
    """The panel of recognisers and the private images; made by the engine, out of reach of any attack.

    Everything is compared with the private *training* images, which are what the target learned from;
    so held-out photographs can be judged by the same rule and never meet themselves. The evaluator
    itself was trained on all private images.

    Args:
        panel: who judges; the evaluator is among them.
        private: the scenario's private images; None where they are not here. Recognisers know the people without.

    Raises:
        ValueError: no evaluator is in the panel.
    """

    def __init__(self, panel: Panel, private: Split | None) -> None:
        if panel.evaluator is None:
            raise ValueError("a panel without the evaluator cannot judge: most measures are distances in its features")
        self.panel, self._private = panel, private
        self.evaluator: Evaluator = panel.evaluator

    @property
    def has_photographs(self) -> bool:
        return self._private is not None

    @property
    def private(self) -> Split:
        """The private images; raises `DataMissing` where they are not here."""
        if self._private is None:
            raise DataMissing("The private images are not here to compare with.")
        return self._private

    @cached_property
    def train_features(self) -> Tensor:
        """Features (P, F) of the private training images."""
        return self.evaluator.features(self.private.train.images)

    @cached_property
    def centroids(self) -> Tensor:
        """Mean feature (K, F) of each class's training images."""
        labels, classes = self.private.train.labels, self.evaluator.classifier.num_classes
        return torch.stack([self.train_features[labels == c].mean(0) for c in range(classes)])


@dataclass(frozen=True, eq=False)
class Judged:
    """Images under judgement with what several metrics need, computed once.

    Attributes:
        images: (N, C, H, W) in [0, 1], on the CPU.
        labels: (N,) the class each was made for.
        heldout: whether they are the scenario's held-out images, of which a recogniser may have kept its scores.
        truth: (N, C, H, W) the picture that each was to recover; None where a class was attacked.
    """

    images: Tensor
    labels: Tensor
    context: EvalContext
    heldout: bool = False
    truth: Tensor | None = None

    @cached_property
    def features(self) -> Tensor:
        """(N, F) penultimate features of the evaluator."""
        return self.context.evaluator.features(self.images)

    @cached_property
    def logits(self) -> Tensor:
        """(N, K) of the evaluator."""
        return self.context.evaluator.logits_of(self.features)

    def rows(self, index: Tensor) -> Judged:
        """Return these pictures in another choice or order, index (n,); what is known of them is not computed again."""
        truth = None if self.truth is None else self.truth[index]
        chosen = Judged(self.images[index], self.labels[index], self.context, truth=truth)
        for name in ("features", "logits"):
            chosen.__dict__[name] = getattr(self, name)[index]  # where a cached property keeps its value
        return chosen

    def scores(self, member: Recogniser) -> Tensor:
        """Return (N, K) the scores that a member of the panel gives; nobody is asked for what is known already."""
        if member is self.context.evaluator:
            return self.logits.softmax(1)
        if self.heldout and member.heldout is not None:
            return member.heldout
        return member.scores(self.images)

    @cached_property
    def detail(self) -> Tensor:
        """(N,) how much of each image is detail, 0 to 1."""
        return detail(self.images)

    @cached_property
    def feature_distances(self) -> Tensor:
        """(N, P) L2 distance to each private training image; infinite for those of another class."""
        distances = torch.cdist(self.features, self.context.train_features, compute_mode=EXACT)
        other = self.labels[:, None] != self.context.private.train.labels[None]
        return distances.masked_fill(other, torch.inf)

    @cached_property
    def nearest_pixels(self) -> Tensor:
        """(N, C, H, W) the training image of the class with the smallest mean squared error."""
        train = self.context.private.train
        distances = torch.cdist(self.images.flatten(1), train.images.flatten(1), compute_mode=EXACT)
        distances = distances.masked_fill(self.labels[:, None] != train.labels[None], torch.inf)
        return train.images[distances.argmin(1)]


def known(measure: Callable[[Judged], Said | None], judged: Judged) -> Said | None:
    """Return what a measure says of images; None where it compares with private ones that are not here."""
    try:
        return measure(judged)
    except DataMissing:
        return None
