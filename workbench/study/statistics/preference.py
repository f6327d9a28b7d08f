"""Which of several methods is preferred, from answers that compare two: shares, an exact test, and Bradley-Terry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.core.intervals import Interval, wilson

STEPS, CLOSE = 10_000, 1e-10
PRIOR = 0.5  # wins added to each side of each pair that met: without, who never lost would be infinitely strong
DRAWS = 300  # of the bootstrap

Game = tuple[str, str]  # winner, loser


@dataclass(frozen=True)
class Preference:
    """How two methods compare.

    Attributes:
        wins: answers for the first, of `n`.
        share: of them, with its Wilson interval.
        p: of the exact two-sided sign test against a half.
    """

    first: str
    second: str
    wins: int
    n: int
    share: float
    interval: Interval
    p: float


def pairs(games: Sequence[Game]) -> list[Preference]:
    """Return every pair that met, in order of name."""
    found = []
    for a, b in sorted({(min(game), max(game)) for game in games}):
        wins, n = games.count((a, b)), games.count((a, b)) + games.count((b, a))
        found.append(Preference(a, b, wins, n, wins / n, wilson(wins, n), sign_test(wins, n)))
    return found


def sign_test(wins: int, n: int) -> float:
    """Return the two-sided exact p of `wins` in `n` tosses of a fair coin."""
    tail = sum(math.comb(n, k) for k in range(min(wins, n - wins) + 1)) / 2**n
    return min(1.0, 2 * tail)


def holm(p: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number: Holm, Scandinavian Journal of Statistics 6, 1979."""
    adjusted, highest = [0.0] * len(p), 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        highest = max(highest, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = highest
    return adjusted


def bradley_terry(games: Sequence[Game], prior: float = PRIOR) -> dict[str, float]:
    """Return each method's log strength, with mean 0: P(a beats b) = 1 / (1 + exp(s_b - s_a)).

    By the MM steps of Hunter, Annals of Statistics 32, 2004, equation 3.

    Args:
        prior: wins added to each side of each pair that met; 0 for the maximum likelihood.

    >>> found = bradley_terry([("a", "b")] * 3 + [("b", "a")], prior=0)
    >>> round(found["a"] - found["b"], 3)  # log 3
    1.099
    """
    names = sorted({name for game in games for name in game})
    place = {name: i for i, name in enumerate(names)}
    won = np.zeros((len(names), len(names)))
    for winner, loser in games:
        won[place[winner], place[loser]] += 1
    won += prior * ((won + won.T) > 0)
    met, wins = won + won.T, won.sum(1)
    strength = np.ones(len(names))
    for _ in range(STEPS):
        with np.errstate(divide="ignore", invalid="ignore"):
            new = wins / (met / (strength[:, None] + strength[None])).sum(1)
        new = np.maximum(new, 1e-12)
        new /= np.exp(np.log(new).mean())
        done = np.abs(np.log(new) - np.log(strength)).max() < CLOSE
        strength = new
        if done:
            break
    return {name: float(np.log(strength[i])) for name, i in place.items()}


def bradley_terry_intervals(by_rater: Sequence[Sequence[Game]], seed: int = 0) -> dict[str, Interval]:
    """Return the 95 % interval of each method's log strength, by drawing raters anew; {} for fewer than two raters."""
    if len(by_rater) < 2:
        return {}
    rng = np.random.default_rng(seed)
    found: dict[str, list[float]] = {}
    for _ in range(DRAWS):
        drawn = [game for i in rng.integers(len(by_rater), size=len(by_rater)) for game in by_rater[i]]
        for name, value in bradley_terry(drawn).items():
            found.setdefault(name, []).append(value)
    return {
        name: (float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975))) for name, values in found.items()
    }
