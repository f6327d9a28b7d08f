"""How a run's pictures as a set compare with the private photographs, in the evaluator's features.

The Fréchet distance goes by its own name: FID is that of Inception's features alone, and the two cannot be compared.
"""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.metrics.base import Judged
from workbench.metrics.distribution import frechet, mean_distance, support
from workbench.metrics.sets import set_metric

PHOTOGRAPHS = "the reconstructions with the private training images of the classes attacked"
K = 5  # neighbours; Naeem et al., section 3


def private_features(judged: Judged) -> Tensor:
    """Return evaluator features (P, F) of the private training images of the classes under judgement."""
    return judged.context.train_features[torch.isin(judged.context.private.train.labels, judged.labels)]


@set_metric(
    "frechet_evaluator",
    title="Fréchet distance (evaluator)",
    unit="squared evaluator features; few images make it larger",
    best="lower",
    compares=f"{PHOTOGRAPHS}, as two Gaussians in the evaluator's features",
    source="Heusel et al., NeurIPS 2017, eq. 6, on other features",
    order=13,
)
def frechet_evaluator(judged: Judged) -> float | None:
    """Return the Fréchet distance, at least 0; None for a single picture."""
    real = private_features(judged)
    return frechet(judged.features, real).value if min(len(judged.features), len(real)) > 1 else None


@set_metric(
    "density",
    title="Density",
    unit="neighbourhoods of private images around a reconstruction, over 5",
    best="higher",
    compares=f"{PHOTOGRAPHS}, by nearest neighbours in the evaluator's features",
    source="Naeem et al., ICML 2020, section 3",
    order=14,
)
def density(judged: Judged) -> float | None:
    """Return the density, at least 0 and about 1 for private images themselves; None where there are too few."""
    found = _support(judged)
    return None if found is None else found[0]


@set_metric(
    "coverage",
    title="Coverage",
    unit="share",
    best="higher",
    compares="private training images of the classes attacked that have a reconstruction among their neighbours, with all",
    source="Naeem et al., ICML 2020, section 3",
    order=15,
)
def coverage(judged: Judged) -> float | None:
    """Return the coverage, 0 to 1; None where there are too few images."""
    found = _support(judged)
    return None if found is None else found[1]


def _support(judged: Judged) -> tuple[float, float] | None:
    real = private_features(judged)
    if min(len(judged.features), len(real)) <= K:
        return None
    found = support(judged.features, real, k_coverage=K)
    return found.density, found.coverage


@set_metric(
    "diversity",
    title="Diversity",
    unit="mean distance of two reconstructions of a class over that of two private images of it",
    best="higher",
    compares="reconstructions of one class with each other, in the evaluator's features",
    source="mean pairwise feature distance",
    order=16,
)
def diversity(judged: Judged) -> float | None:
    """Return the mean over classes, 0 for copies and 1 where they are as varied as photographs; None for one of each."""
    train, found = judged.context.private.train, []
    for c in judged.labels.unique():
        made, real = judged.features[judged.labels == c], judged.context.train_features[train.labels == c]
        if min(len(made), len(real)) > 1 and (apart := mean_distance(real)) > 0:
            found.append(mean_distance(made) / apart)
    return torch.tensor(found, dtype=torch.double).mean().item() if found else None
