"""How far an average may be off, when several values belong to one person: Wilson's interval of a share, Student's of a mean.

Several tries at one person are no independent trials: who leaks once leaks again. So persons are counted, not tries.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

Z95 = 1.959964

Interval = tuple[float, float]


def wilson(hits: float, n: int) -> Interval:
    """Return Wilson's 95 % interval of a share of `hits` in `n` independent trials.

    >>> [round(v, 3) for v in wilson(9, 10)]
    [0.596, 0.982]
    """
    p, z2 = hits / n, Z95**2
    centre, half = p + z2 / (2 * n), Z95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return (centre - half) / (1 + z2 / n), (centre + half) / (1 + z2 / n)


def share_interval(hits: Tensor, persons: Tensor) -> Interval:
    """Return the 95 % interval of the mean of hits (N,), each 0 to 1, of persons (N,): Wilson's, a trial a person.

    A person's several tries count as one trial with their mean as its outcome. That spreads no further than a toss
    with the same mean would, so the interval is wide enough however alike the tries are.
    """
    n = len(persons.unique())
    return wilson(hits.double().mean().item() * n, n)


def mean_interval(values: Tensor, persons: Tensor) -> Interval | None:
    """Return Student's 95 % interval of the mean of values (N,) of persons (N,); None for fewer than two persons.

    The mean's variance is that between persons, each weighing as many values as it has; with one value each, or equally
    many, it is the usual one of the persons' means.
    """
    _, of_person, counts = persons.unique(return_inverse=True, return_counts=True)
    n, values = len(counts), values.double()
    if n < 2:
        return None
    from scipy.special import stdtrit  # takes a while to import, and a start of the application needs none

    mean = values.mean()
    apart = torch.zeros(n, dtype=torch.double).index_add(0, of_person, values - mean)  # of a person's sum
    half = float(stdtrit(n - 1, 0.975)) * math.sqrt(n / (n - 1) * apart.pow(2).sum().item()) / len(values)
    return mean.item() - half, mean.item() + half
