"""How far an average may be off: Wilson's interval of a share, Student's of a mean."""

from __future__ import annotations

import math

from scipy.special import stdtrit
from torch import Tensor

Z95 = 1.959964


def wilson(hits: float, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share of `hits` in `n`.

    >>> [round(v, 3) for v in wilson(9, 10)]
    [0.596, 0.982]
    """
    p, z2 = hits / n, Z95**2
    centre, half = p + z2 / (2 * n), Z95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return (centre - half) / (1 + z2 / n), (centre + half) / (1 + z2 / n)


def interval(values: Tensor, share: bool) -> tuple[float, float] | None:
    """Return the 95 % interval of the mean of values (N,); None for a mean of fewer than two."""
    n = len(values)
    if share:
        return wilson(values.sum().item(), n)
    if n < 2:
        return None
    half = float(stdtrit(n - 1, 0.975)) * values.std().item() / math.sqrt(n)
    return values.mean().item() - half, values.mean().item() + half
