"""Losses of priors that learn from a target's answers. Pure; one value a row unless said otherwise."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def soft_cross_entropy(logits: Tensor, shares: Tensor) -> Tensor:
    """Return −Σ_k q_k log p_k in nats, (N,), of logits (N, K) against soft labels q (N, K)."""
    return -(shares * logits.log_softmax(1)).sum(1)


def log_realness(logits: Tensor) -> Tensor:
    """Return log D(x) ≤ 0, (N,), of a discriminator that has classes and no output for "fake".

    Salimans et al., NeurIPS 2016, section 5: D = Z / (Z + 1) with Z = Σ_k exp d_k, so that
    log D = lse d − sp(lse d); its negative is KED-MI's prior loss.
    """
    return F.logsigmoid(logits.logsumexp(1))


def log_fakeness(logits: Tensor) -> Tensor:
    """Return log(1 − D(x)) = −sp(lse d), (N,)."""
    return F.logsigmoid(-logits.logsumexp(1))


def entropy(logits: Tensor) -> Tensor:
    """Return the entropy in nats, (N,), of softmax of logits (N, K)."""
    logs = logits.log_softmax(1)
    return -(logs.exp() * logs).sum(1)


def feature_matching(drawn: Tensor, real: Tensor) -> Tensor:
    """Return the mean absolute difference, a scalar, of two batches' mean features, each (N, F)."""
    return (drawn.mean(0) - real.mean(0)).abs().mean()


def max_margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Return max_{j≠y} s_j − s_y, (N,); Yuan et al., AAAI 2023 (PLG-MI), eq. 6. Its gradient does not vanish."""
    own = F.one_hot(labels, logits.shape[1]).bool()
    return logits.masked_fill(own, -torch.inf).amax(1) - logits.gather(1, labels[:, None])[:, 0]
