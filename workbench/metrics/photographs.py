"""Which private photographs leaked: for each, the reconstruction of its person that comes nearest, and how near."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from workbench.metrics.base import Judged


@dataclass(frozen=True)
class NearestOfPhotograph:
    """What came nearest to each of P private training images of the classes attacked, in the evaluator's features.

    Attributes:
        photograph: its row among the private training images.
        reconstruction: row of the reconstruction of its class that is nearest.
        distance: L2 between the two.
        fellow: L2 to the nearest other training image of its class; None where there is no other. A photograph has leaked
            as far as anything here can tell where a reconstruction is nearer than that.
    """

    photograph: list[int]
    reconstruction: list[int]
    distance: list[float]
    fellow: list[float | None]


def nearest_of_photographs(judged: Judged) -> NearestOfPhotograph:
    """Return for each private training image of a class under judgement what came nearest to it."""
    train = judged.context.private.train
    rows = torch.isin(train.labels, judged.labels).nonzero()[:, 0]
    near = judged.feature_distances[:, rows].min(0)  # (P,); reconstructions of other classes are infinitely far
    fellows: list[float | None] = []
    features = judged.context.train_features
    for row in rows.tolist():
        others = (train.labels == train.labels[row]).nonzero()[:, 0]
        others = others[others != row]
        apart = (features[others] - features[row]).norm(dim=1)
        fellows.append(round(apart.min().item(), 4) if len(others) else None)
    distances = [round(value, 4) for value in near.values.tolist()]
    return NearestOfPhotograph(rows.tolist(), near.indices.tolist(), distances, fellows)
