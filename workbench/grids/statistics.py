"""Several seeds in one place of a table, and two rows or columns against each other; always by person.

Several tries at one person, with one seed or several, are no independent trials: whose picture leaks once leaks again. So
a person's share over all of them is one observation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from workbench.core.intervals import Interval, share_interval
from workbench.grids.persons import Persons, measure_of

RESAMPLES = 19_999  # signs that are drawn; with fewer persons than 15 all there are


@dataclass(frozen=True)
class Average:
    """A measure over the seeds of one place.

    Attributes:
        mean: of the persons' shares, 0 to 1.
        interval: 95 %, Wilson's, a trial a person.
        seeds: how many runs there are.
        persons: how many people.
    """

    mean: float
    interval: Interval
    seeds: int
    persons: int


@dataclass(frozen=True)
class Paired:
    """Two sets of runs against each other.

    Attributes:
        difference: of the mean shares, second less first.
        p: of the permutation test, two-sided.
        persons: how many people are in both.
    """

    difference: float
    p: float
    persons: int


def pooled(people: Iterable[Persons]) -> Persons:
    """Return each person's mean over several runs."""
    held: dict[str, list[float]] = defaultdict(list)
    for run in people:
        for who, share in run.items():
            held[who].append(share)
    return {who: sum(shares) / len(shares) for who, shares in held.items()}


def average(records: Sequence[dict[str, Any]], measure: str) -> Average | None:
    """Return a measure over the runs of one place; None where none tells of it."""
    runs = [people for record in records if (people := measure_of(record, measure))]
    shares = pooled(runs)
    if not shares:
        return None
    values = torch.tensor(list(shares.values()), dtype=torch.double)
    return Average(values.mean().item(), share_interval(values, torch.arange(len(values))), len(runs), len(values))


def paired(first: Persons, second: Persons) -> Paired | None:
    """Return how likely a difference as large is if it makes no difference which of the two a person was attacked by.

    The signs of the persons' differences are permuted, which for shares of 0 and 1 is McNemar's exact test. None where
    nobody is in both.
    """
    from scipy.stats import permutation_test  # takes a while to import, and a start of the application needs none

    both = sorted(first.keys() & second.keys())
    if not both:
        return None
    a, b = (np.array([side[who] for who in both]) for side in (first, second))
    difference = float((b - a).mean())
    if not (b - a).any() or len(both) < 2:
        return Paired(difference, 1.0, len(both))
    # Equal sums must count as equal: rounding of thirds would otherwise lose some of the as extreme.
    found = permutation_test(
        (np.round(b - a, 9),),
        lambda d, axis: np.round(np.mean(d, axis=axis), 9),
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        random_state=0,
    )
    return Paired(difference, float(found.pvalue), len(both))


def persons_in(records: Iterable[dict[str, Any]], side: str, name: str, measure: str, among: Iterable[str]) -> Persons:
    """Return each person's mean share in a row or a column, over its places in `among` of the other side.

    Args:
        side: "row" or "column".
    """
    other = {"row": "column", "column": "row"}[side]
    wanted = set(among)
    return pooled(measure_of(r, measure) for r in records if r[side] == name and r[other] in wanted)


def compare(records: Sequence[dict[str, Any]], first: str, second: str, measure: str) -> Paired | None:
    """Return two rows, or two columns, against each other, over what both have been run with.

    None where they are not both rows or both columns, or have nobody in common.
    """
    done = [r for r in records if r["state"] == "finished" and measure_of(r, measure)]
    for side, other in (("row", "column"), ("column", "row")):
        places = [{r[other] for r in done if r[side] == name} for name in (first, second)]
        if all(places):
            common = places[0] & places[1]
            return paired(*(persons_in(done, side, name, measure, common) for name in (first, second)))
    return None
