"""Which known image a given one is nearest to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from workbench.metrics.base import EXACT
from workbench.scenarios import Split
from workbench.targets import Classifier

BATCH = 128
COARSE = 16  # pixels across, where pixels are compared
FEATURES, PIXELS = "features", "pixels"


def embed(images: Tensor, evaluator: Classifier | None) -> Tensor:
    """Return what images (n, C, H, W) in [0, 1] are compared by, (n, F).

    The evaluator's penultimate features; without one the images at 16x16, so scaled that a distance is the
    root mean square of their difference.
    """
    if evaluator is None:
        small = interpolate(images, (COARSE, COARSE), mode="area").flatten(1)
        return small / small.shape[1] ** 0.5
    with torch.no_grad():
        return evaluator.features(images)


@dataclass(frozen=True, eq=False)
class NeighbourPool:
    """Images that can be searched.

    Attributes:
        images: (P, C, H, W) uint8.
        points: (P, F) of `embed`.
    """

    images: Tensor
    points: Tensor

    @classmethod
    def of(cls, images: Tensor, evaluator: Classifier | None, report: Callable[[float], None]) -> NeighbourPool:
        """Return a pool of images (P, C, H, W) in [0, 1].

        Args:
            report: told which share is done, between batches.
        """
        points = []
        for begun in range(0, len(images), BATCH):
            report(begun / len(images))
            points.append(embed(images[begun : begun + BATCH], evaluator))
        return cls((images * 255).round().to(torch.uint8), torch.cat(points))

    def nearest(self, point: Tensor) -> tuple[int, float]:
        """Return the index of the image nearest to `point` (F,), and its distance."""
        distances = torch.cdist(point[None], self.points, compute_mode=EXACT)[0]
        index = int(distances.argmin())
        return index, distances[index].item()

    def image(self, index: int) -> Tensor:
        """Return one image (C, H, W) in [0, 1]."""
        return self.images[index].float() / 255


def usual_distance(private: Split, evaluator: Classifier | None) -> float:
    """Return how far a held-out photograph usually is from the nearest training one of its class (the median)."""
    train, heldout = (
        torch.cat([embed(part, evaluator) for part in side.images.split(BATCH)])
        for side in (private.train, private.heldout)
    )
    distances = torch.cdist(heldout, train, compute_mode=EXACT)
    other = private.heldout.labels[:, None] != private.train.labels[None]
    return distances.masked_fill(other, torch.inf).amin(1).median().item()
