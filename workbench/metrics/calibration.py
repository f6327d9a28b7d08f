"""How well a classifier's confidences match how often it is right. Pure functions of confidences and labels.

Guo et al., ICML 2017, https://arxiv.org/abs/1706.04599; Naeini et al., AAAI 2015 for the expected calibration error.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

BINS = 15  # Guo et al.


@dataclass(frozen=True)
class Calibration:
    """What a set of answers says of a classifier's confidence.

    Attributes:
        n: how many images.
        accuracy, confidence: mean, 0 to 1; of the predicted class.
        ece: expected calibration error, the mean gap of confidence and accuracy over the images, 0 to 1.
        mce: the largest gap of any bin that is not empty.
        nll: mean negative log-likelihood of the true class, nats; None where a true class got a confidence of zero.
        brier: mean squared distance of the confidence vector from the one-hot label, 0 to 2.
        edges: BINS + 1 borders of equal bins of confidence.
        counts: images in each bin.
        bin_accuracy, bin_confidence: means in each bin; None where it is empty.
    """

    n: int
    accuracy: float
    confidence: float
    ece: float
    mce: float
    nll: float | None
    brier: float
    edges: list[float]
    counts: list[int]
    bin_accuracy: list[float | None]
    bin_confidence: list[float | None]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def bins_of(confidence: Tensor, bins: int = BINS) -> Tensor:
    """Return the bin of each confidence (n,), 0 to bins − 1; bins hold their upper border, the first also zero."""
    return ((confidence * bins).ceil().long() - 1).clamp(0, bins - 1)


def histogram(confidence: Tensor, bins: int = BINS) -> list[int]:
    """Return how many of the confidences (n,) fall into each of equal bins of [0, 1]."""
    return torch.bincount(bins_of(confidence, bins), minlength=bins).tolist()


def calibration(confidences: Tensor, labels: Tensor, bins: int = BINS) -> Calibration:
    """Return how well confidences (n, K), rows summing to one, match labels (n,); n must not be zero."""
    confidences = confidences.double().cpu()
    best, predicted = confidences.max(1)
    right = (predicted == labels.cpu()).double()
    place = bins_of(best, bins)
    counts = torch.bincount(place, minlength=bins)
    sums = [torch.zeros(bins, dtype=torch.double).index_add(0, place, value) for value in (right, best)]
    gaps = (sums[0] - sums[1]).abs()  # per bin, times its count
    own = confidences.gather(1, labels.cpu()[:, None])[:, 0]
    nll = -own.log().mean().item()
    target = torch.nn.functional.one_hot(labels.cpu(), confidences.shape[1])
    rates = [[(s / c).item() if c else None for s, c in zip(part, counts, strict=True)] for part in sums]
    return Calibration(
        len(labels),
        right.mean().item(),
        best.mean().item(),
        (gaps.sum() / len(labels)).item(),
        (gaps / counts.clamp(min=1)).max().item(),
        nll if nll != torch.inf else None,
        (confidences - target).pow(2).sum(1).mean().item(),
        [i / bins for i in range(bins + 1)],
        counts.tolist(),
        *rates,
    )
