"""What a metric declares, and what it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from workbench.core.registry import Registry
from workbench.scenarios import Split
from workbench.targets import Classifier

Metric = Callable[["Judged"], Tensor | None]

# The matrix product that torch prefers finds a copy of an image 0.01 away from it.
EXACT = "donot_use_mm_for_euclid_dist"

METRICS: Registry[Metric] = Registry("metric", "workbench.metrics")


def metric(key: str, *, title: str, unit: str, best: str, compares: str, source: str, order: int = 100):
    """Register a function from `Judged` to one value an image, (N,), or None where it says nothing.

    Args:
        unit: what the number counts.
        best: ``"higher"`` or ``"lower"``, the direction of more leakage.
        compares: what is compared with what, in a sentence.
    """
    if best not in ("higher", "lower"):
        raise ValueError(f"best={best!r} is neither 'higher' nor 'lower'")
    return METRICS.register(key, title=title, unit=unit, best=best, compares=compares, source=source, order=order)


class EvalContext:
    """The evaluator and the private images; made by the engine, out of reach of any attack.

    Everything is compared with the private *training* images, which are what the target learned from;
    so held-out photographs can be judged by the same rule and never meet themselves. The evaluator
    itself was trained on all private images.

    Args:
        evaluator: in eval mode.
        private: the scenario's private images.
    """

    def __init__(self, evaluator: Classifier, private: Split) -> None:
        self.evaluator, self.private = evaluator, private
        self.device = next(evaluator.parameters()).device

    @torch.no_grad()
    def embed(self, images: Tensor, batch: int = 128) -> Tensor:
        """Return penultimate features (n, F) on the CPU."""
        return torch.cat([self.evaluator.features(x.to(self.device)).cpu() for x in images.split(batch)])

    @torch.no_grad()
    def logits(self, features: Tensor) -> Tensor:
        """Return logits (n, K) of features (n, F)."""
        return self.evaluator.head(features.to(self.device)).cpu()

    @cached_property
    def train_features(self) -> Tensor:
        """Features (P, F) of the private training images."""
        return self.embed(self.private.train.images)

    @cached_property
    def centroids(self) -> Tensor:
        """Mean feature (K, F) of each class's training images."""
        labels = self.private.train.labels
        return torch.stack([self.train_features[labels == c].mean(0) for c in range(self.evaluator.num_classes)])


@dataclass(frozen=True, eq=False)
class Judged:
    """Images under judgement with what several metrics need, computed once.

    Attributes:
        images: (N, C, H, W) in [0, 1], on the CPU.
        labels: (N,) the class each was made for.
    """

    images: Tensor
    labels: Tensor
    context: EvalContext

    @cached_property
    def features(self) -> Tensor:
        """(N, F) penultimate features of the evaluator."""
        return self.context.embed(self.images)

    @cached_property
    def logits(self) -> Tensor:
        """(N, K) of the evaluator."""
        return self.context.logits(self.features)

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
