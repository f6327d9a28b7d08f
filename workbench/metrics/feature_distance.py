"""Distances in the evaluator's penultimate features, plain L2 (some papers report its square)."""

from __future__ import annotations

from torch import Tensor

from workbench.metrics.base import Judged, metric


@metric(
    "knn_dist",
    title="KNN distance",
    unit="L2 in evaluator features",
    best="lower",
    order=3,
    compares="each reconstruction with the nearest private training image of its class",
    source="Zhang et al., CVPR 2020, section 4.3",
)
def knn_distance(judged: Judged) -> Tensor:
    """Return each image's distance, (N,), from the nearest training image of its class."""
    return judged.feature_distances.amin(1)


@metric(
    "feat_dist",
    title="Feature distance",
    unit="L2 in evaluator features",
    best="lower",
    order=4,
    compares="each reconstruction with the mean feature of its class's training images",
    source="Zhang et al., CVPR 2020, section 4.3",
)
def feature_distance(judged: Judged) -> Tensor:
    """Return each image's distance, (N,), from the mean feature of its class."""
    return (judged.features - judged.context.centroids[judged.labels]).norm(dim=1)
