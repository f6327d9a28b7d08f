"""How alike two sets of images are, as a whole: pure functions of their features.

Everything takes features (n, F) and (m, F) of one network; nothing is a distance of single images.
Heusel et al., NeurIPS 2017 (Fréchet distance); Kynkäänniemi et al., NeurIPS 2019 (precision, recall); Naeem et al.,
ICML 2020 (density, coverage).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.metrics.base import EXACT

ENOUGH = 10  # images for each feature; with fewer the distance is mostly that of the sample's own noise
ROWS = 1024  # rows compared at once: 1024 x 10,000 distances are 40 MB


@dataclass(frozen=True)
class Frechet:
    """A Fréchet distance with what it was estimated from.

    Attributes:
        value: >= 0; squared feature units.
        n: images of the smaller set.
        features: F.
        biased: whether `n` is too small for F, so that even two halves of one set are apart. Compare
            such a value only with one of the same n and features.
    """

    value: float
    n: int
    features: int
    biased: bool


def frechet_distance(mean1: Tensor, cov1: Tensor, mean2: Tensor, cov2: Tensor) -> float:
    """Return ‖μ₁−μ₂‖² + tr(Σ₁+Σ₂−2(Σ₁Σ₂)^½) of two Gaussians, means (F,) and covariances (F, F).

    The trace of the root is the sum of the square roots of the eigenvalues of Σ₁^½ Σ₂ Σ₁^½: symmetric and
    without negative eigenvalues, so that it needs no complex numbers and no small diagonal added.
    """
    mean1, cov1, mean2, cov2 = (t.double() for t in (mean1, cov1, mean2, cov2))
    values, vectors = torch.linalg.eigh(cov1)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    middle = root @ cov2 @ root
    cross = torch.linalg.eigvalsh((middle + middle.T) / 2).clamp_min(0).sqrt().sum()
    distance = (mean1 - mean2).pow(2).sum() + cov1.trace() + cov2.trace() - 2 * cross
    return max(0.0, distance.item())  # rounding can leave identical sets just below zero


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean (F,) and unbiased covariance (F, F), float64, of features (n, F); n at least 2."""
    if len(features) < 2:
        raise ValueError(f"{len(features)} images have no covariance; at least 2 are needed")
    features = features.double()
    mean = features.mean(0)
    centred = features - mean
    return mean, centred.T @ centred / (len(features) - 1)


def frechet(generated: Tensor, real: Tensor) -> Frechet:
    """Return the Fréchet distance of Gaussians fitted to features (n, F) and (m, F)."""
    n, width = min(len(generated), len(real)), real.shape[1]
    return Frechet(frechet_distance(*moments(generated), *moments(real)), n, width, n < ENOUGH * width)


def distances(rows: Tensor, columns: Tensor) -> Iterator[Tensor]:
    """Yield L2 distances (at most `ROWS`, m) of features (n, F) from (m, F), in order of the rows."""
    for part in rows.split(ROWS):
        yield torch.cdist(part, columns, compute_mode=EXACT)


def reach(features: Tensor, k: int) -> Tensor:
    """Return each point's distance to its k-th nearest other point, (n,), of features (n, F).

    Raises:
        ValueError: there is no k-th other point.
    """
    if not 1 <= k < len(features):
        raise ValueError(f"k={k} needs at least {k + 1} images; there are {len(features)}")
    # A point is its own nearest, at distance 0, so the k-th other one is the (k + 1)-th.
    return torch.cat([part.kthvalue(k + 1, 1).values for part in distances(features, features)])


@dataclass(frozen=True)
class Support:
    """How two sets cover each other, each a share, 0 to 1; density may exceed 1.

    Attributes:
        precision: of generated images, how many lie in a real image's ball: are they realistic?
        recall: of real images, how many lie in a generated image's ball: is nothing left out?
        density: real balls around a generated image, over k; outliers among the real weigh less than in precision.
        coverage: of real images, how many have a generated image in their ball.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def support(generated: Tensor, real: Tensor, *, k: int = 3, k_coverage: int = 5) -> Support:
    """Return precision, recall (k, Kynkäänniemi et al., eqs. 1-2) and density, coverage (Naeem et al., section 3).

    A ball around a point reaches to its k-th nearest neighbour within its own set.

    Args:
        generated: features (n, F).
        real: features (m, F).

    Raises:
        ValueError: a set has no k-th neighbour.
    """
    near, near_coverage, near_generated = reach(real, k), reach(real, k_coverage), reach(generated, k)
    realistic = inside = 0.0
    recalled = torch.zeros(len(real), dtype=torch.bool, device=real.device)
    covered = torch.zeros_like(recalled)
    for apart, own in zip(distances(generated, real), near_generated.split(ROWS), strict=True):
        realistic += (apart <= near).any(1).sum().item()
        inside += (apart <= near_coverage).sum().item()
        recalled |= (apart <= own[:, None]).any(0)
        covered |= (apart <= near_coverage).any(0)
    n = len(generated)
    return Support(
        realistic / n, recalled.float().mean().item(), inside / (k_coverage * n), covered.float().mean().item()
    )


def mean_distance(features: Tensor) -> float:
    """Return the mean L2 distance of two different images, of features (n, F); n at least 2."""
    n = len(features)
    if n < 2:
        raise ValueError(f"{n} images have no distance between them; at least 2 are needed")
    return sum(part.double().sum().item() for part in distances(features, features)) / (n * (n - 1))


def spread_ratio(generated: Tensor, real: Tensor) -> float:
    """Return the mean distance among generated images (n, C, H, W) over that among real ones (m, C, H, W): 1 as varied, 0 collapsed."""
    return mean_distance(generated) / mean_distance(real)
