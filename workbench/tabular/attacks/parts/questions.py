"""The questions of a record: each value of the sensitive attribute, with every way to fill in what else is unknown."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from workbench.core.errors import UsageError
from workbench.tabular.attacks.base import InferenceContext
from workbench.tabular.table import Array

MOST = 2_000  # ways to fill in what is unknown; with more, every record would be asked about for hours


@dataclass(frozen=True, eq=False)
class Question:
    """One question about every record.

    Attributes:
        value: the code of the sensitive value that is tried.
        weight: how likely the other unknown cells are as they are filled in here.
        rows: (R, C) what the target is asked.
    """

    value: int
    weight: float
    rows: Array


def fillings(ctx: InferenceContext) -> list[tuple[tuple[float, ...], float]]:
    """Return every way to fill in the other unknown columns, with its probability if they are independent.

    Raises:
        UsageError: there are more than `MOST`.
    """
    marginals = [ctx.marginals[ctx.columns[i].name] for i in ctx.unknown]
    count = int(np.prod([len(m.values) for m in marginals], initial=1))
    if count > MOST:
        raise UsageError(
            f"The unknown columns can be filled in in {count:,} ways, and each is a query for every record; at most "
            f"{MOST:,} are tried. Name fewer unknown columns."
        )
    ways = itertools.product(*(zip(m.values, m.shares, strict=True) for m in marginals))
    return [(tuple(v for v, _ in way), float(np.prod([s for _, s in way], initial=1.0))) for way in ways]


def questions(ctx: InferenceContext) -> Iterator[Question]:
    """Yield the questions, one sensitive value after the other."""
    ways = fillings(ctx)
    for value in range(len(ctx.values)):
        for cells, weight in ways:
            rows = ctx.known.copy()
            rows[:, ctx.sensitive] = value
            for column, cell in zip(ctx.unknown, cells, strict=True):
                rows[:, column] = cell
            yield Question(value, weight, rows)


def count_of(ctx: InferenceContext) -> int:
    """Return how many questions `questions` yields."""
    return len(ctx.values) * len(fillings(ctx))
