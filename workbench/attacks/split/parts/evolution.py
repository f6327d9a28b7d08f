"""Natural evolution strategies: the slope of something that answers, but gives no gradient.

Wierstra et al., JMLR 2014, https://jmlr.org/papers/v15/wierstra14a.html; antithetic pairs as in Salimans et al., 2017,
https://arxiv.org/abs/1703.03864.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def estimated_slope(
    worth: Callable[[Tensor, Tensor], Tensor],
    points: Tensor,
    *,
    pairs: int,
    sigma: float,
    rng: torch.Generator,
    at_once: int = 512,
) -> tuple[Tensor, Tensor]:
    """Return an estimate of the gradient of `worth` at points (N, ...), of that shape, and its mean around them, (N,).

    1/(2 n sigma) times the sum over n Gaussian directions d of d (worth(x + sigma d) - worth(x - sigma d)).

    Args:
        worth: points (n, ...), and which of the N each belongs to, (n,), to their worth, (n,).
        at_once: rows that it is asked about at once, at least 2.
    """
    count, size = len(points), max(1, at_once // (2 * len(points)))
    slope, level = torch.zeros_like(points), points.new_zeros(count)
    for begun in range(0, pairs, size):
        n = min(size, pairs - begun)
        # One at a time, so that how many are asked about at once changes none of them.
        directions = torch.stack([torch.randn(points.shape, generator=rng) for _ in range(n)]).to(points)
        tried = torch.cat([points + sigma * directions, points - sigma * directions]).flatten(0, 1)  # (2n·N, ...)
        owners = torch.arange(count, device=points.device).repeat(2 * n)
        values = worth(tried, owners).view(2, n, count)
        level += values.sum((0, 1)) / (2 * pairs)
        difference = (values[0] - values[1]).view(n, count, *[1] * (points.dim() - 1))
        slope += (difference * directions).sum(0) / (2 * sigma * pairs)
    return slope, level
