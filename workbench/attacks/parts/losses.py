"""Identity losses: how far a candidate is from being taken for its class. Pure, one value a row."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from workbench.priors.losses import max_margin

Loss = Callable[[Tensor, Tensor], Tensor]
NEARLY_ONE = 1e-4  # Poincaré distance to a corner of the simplex is infinite; PPA stops this short of it


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return −log p_y in nats, (N,), of logits (N, K) and labels (N,)."""
    return F.cross_entropy(logits, labels, reduction="none")


def one_minus_confidence(logits: Tensor, labels: Tensor) -> Tensor:
    """Return 1 − p_y, (N,); Fredrikson et al. 2015, Algorithm 1, line 4."""
    return 1 - confidence(logits, labels)


def confidence(logits: Tensor, labels: Tensor) -> Tensor:
    """Return p_y, (N,)."""
    return logits.softmax(1).gather(1, labels[:, None])[:, 0]


def negative_logit(logits: Tensor, labels: Tensor) -> Tensor:
    """Return −s_y, (N,); Nguyen et al., CVPR 2023 (LOMMA), eq. 3. Unbounded: regularise the features beside it."""
    return -logits.gather(1, labels[:, None])[:, 0]


def poincare(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the hyperbolic distance, (N,), of s/‖s‖₁ from the class's corner; Struppek et al., ICML 2022 (PPA), eq. 5.

    d(u, v) = arccosh(1 + 2‖u−v‖² / ((1−‖u‖²)(1−‖v‖²))).
    """
    u = logits / logits.abs().sum(1, keepdim=True).clamp_min(1e-12)
    v = (F.one_hot(labels, logits.shape[1]) - NEARLY_ONE).clamp(0, 1).to(logits)
    room = (1 - u.pow(2).sum(1)).clamp_min(1e-7) * (1 - v.pow(2).sum(1))
    return torch.acosh(1 + 2 * (u - v).pow(2).sum(1) / room)


IDENTITY: dict[str, Loss] = {
    "cross-entropy": cross_entropy,
    "max-margin": max_margin,
    "poincare": poincare,
    "logit": negative_logit,
}
CHOICES = {
    "cross-entropy": "Cross-entropy",
    "max-margin": "Max margin (PLG-MI)",
    "poincare": "Poincaré (PPA)",
    "logit": "Logit, with features (LOMMA)",
}


def total_variation(images: Tensor) -> Tensor:
    """Return the mean squared difference of neighbouring pixels, (N,), of images (N, C, H, W)."""
    across = (images[..., 1:] - images[..., :-1]).pow(2).mean((1, 2, 3))
    down = (images[..., 1:, :] - images[..., :-1, :]).pow(2).mean((1, 2, 3))
    return across + down
