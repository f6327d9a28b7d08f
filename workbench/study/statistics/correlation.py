"""How far a measure orders pictures as people do: Spearman's rank correlation, with ties, and an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FEWEST = 4  # pictures; with three, any order looks like agreement
DRAWS = 500  # of the bootstrap


@dataclass(frozen=True)
class Correlation:
    """Spearman's rho over `n` pictures, -1 to 1, with its bootstrap interval (or None); `why` says why there is no rho."""

    n: int
    rho: float | None
    interval: tuple[float, float] | None = None
    why: str = ""


def ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank (N,) of each value (N,), from 1; ties share their mean rank."""
    _, of, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[of]


def spearman(a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray) -> float | None:
    """Return the correlation of the ranks of two sequences of equal length; None where one of them is constant."""
    x, y = ranks(np.asarray(a, dtype=float)), ranks(np.asarray(b, dtype=float))
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 0 else None


def correlation(measure: Sequence[float | None], people: Sequence[float | None], seed: int = 0) -> Correlation:
    """Return how a measure and people's share of yes correlate over pictures that have both."""
    both = [(m, p) for m, p in zip(measure, people, strict=True) if m is not None and p is not None]
    if len(both) < FEWEST:
        return Correlation(len(both), None, why=f"It has {len(both)} pictures that were judged; {FEWEST} are needed.")
    a, b = (np.array(side) for side in zip(*both, strict=True))
    rho = spearman(a, b)
    if rho is None:
        constant = "People gave" if len(set(b)) == 1 else "It gives"
        return Correlation(len(both), None, why=f"{constant} every picture the same value.")
    rng, found = np.random.default_rng(seed), []
    for _ in range(DRAWS):
        i = rng.integers(len(a), size=len(a))
        if (value := spearman(a[i], b[i])) is not None:
            found.append(value)
    low, high = np.quantile(found, [0.025, 0.975])
    return Correlation(len(both), rho, (float(low), float(high)))
