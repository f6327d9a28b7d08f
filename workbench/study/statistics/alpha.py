"""Krippendorff's alpha: how far raters agree beyond chance, with answers missing.

Krippendorff, "Computing Krippendorff's Alpha-Reliability", University of Pennsylvania, 2011.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

Level = Literal["nominal", "ordinal", "interval"]
DRAWS = 500  # of the bootstrap


def alpha(units: Sequence[Sequence[float]], level: Level) -> float | None:
    """Return alpha = 1 - D_o / D_e of the coincidence matrix (section D of the paper).

    Args:
        units: for each thing that was judged, the values that it was given, by whomever; those with one value alone say
            nothing of agreement and are left out.
        level: "nominal" for values that are the same or not, "ordinal" for ranks, "interval" for distances.

    Returns:
        1 for perfect agreement, 0 for that of chance; None where nothing was judged twice, or all values are alike: there
        is no chance disagreement to compare with.
    """
    pairs = [unit for unit in units if len(unit) > 1]
    values = sorted({v for unit in pairs for v in unit})
    if len(values) < 2:
        return None
    place = {v: i for i, v in enumerate(values)}
    observed = np.zeros((len(values), len(values)))
    for unit in pairs:
        counts = np.bincount([place[v] for v in unit], minlength=len(values)).astype(float)
        observed += (np.outer(counts, counts) - np.diag(counts)) / (len(unit) - 1)
    totals = observed.sum(0)
    expected = (np.outer(totals, totals) - np.diag(totals)) / (totals.sum() - 1)
    apart = distances(np.array(values, dtype=float), totals, level)
    chance = (expected * apart).sum()
    return None if chance == 0 else float(1 - (observed * apart).sum() / chance)


def distances(values: np.ndarray, totals: np.ndarray, level: Level) -> np.ndarray:
    """Return the squared difference (V, V) between values (V,), sorted, of which there are `totals` (V,)."""
    if level == "nominal":
        return 1.0 - np.eye(len(values))
    if level == "interval":
        return (values[:, None] - values[None]) ** 2
    up_to = np.cumsum(totals) - totals / 2  # the middle of each value's ranks
    return (up_to[:, None] - up_to[None]) ** 2


def alpha_interval(units: Sequence[Sequence[float]], level: Level, seed: int = 0) -> tuple[float, float] | None:
    """Return the 95 % interval of alpha by drawing the things judged anew, with replacement; None where alpha is None."""
    if alpha(units, level) is None:
        return None
    rng, found = np.random.default_rng(seed), []
    for _ in range(DRAWS):
        value = alpha([units[i] for i in rng.integers(len(units), size=len(units))], level)
        if value is not None:
            found.append(value)
    low, high = np.quantile(found, [0.025, 0.975]) if found else (np.nan, np.nan)
    return (float(low), float(high)) if np.isfinite(low) else None


def percent_agreement(units: Sequence[Sequence[float]]) -> float | None:
    """Return the share of pairs of answers about one thing that are the same, 0 to 1; None without a pair.

    It stands beside alpha, which falls under skew: where nearly everything is a no, agreeing on it is little more than chance.
    """
    same = pairs = 0.0
    for unit in units:
        counts = np.unique(np.asarray(unit), return_counts=True)[1]
        same += float((counts * (counts - 1)).sum())
        pairs += len(unit) * (len(unit) - 1)
    return same / pairs if pairs else None
