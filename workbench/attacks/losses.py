"""Identity losses: how far a candidate is from being taken for its class. Pure, one value a row."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return −log p_y in nats, (N,), of logits (N, K) and labels (N,)."""
    return F.cross_entropy(logits, labels, reduction="none")


def one_minus_confidence(logits: Tensor, labels: Tensor) -> Tensor:
    """Return 1 − p_y, (N,); Fredrikson et al. 2015, Algorithm 1, line 4."""
    return 1 - confidence(logits, labels)


def confidence(logits: Tensor, labels: Tensor) -> Tensor:
    """Return p_y, (N,)."""
    return logits.softmax(1).gather(1, labels[:, None])[:, 0]


def total_variation(images: Tensor) -> Tensor:
    """Return the mean squared difference of neighbouring pixels, (N,), of images (N, C, H, W)."""
    across = (images[..., 1:] - images[..., :-1]).pow(2).mean((1, 2, 3))
    down = (images[..., 1:, :] - images[..., :-1, :]).pow(2).mean((1, 2, 3))
    return across + down
