"""What an attribute inference found: figures by value with their intervals, and how they differ between groups."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.core.intervals import Interval, wilson
from workbench.tabular.table import Array, Codes, Column

DRAWS = 400  # of the bootstrap
SMALLEST = 20  # records of a group for which figures are told


@dataclass(frozen=True)
class Counts:
    """Answers about one value against the truth: yes or no, right or wrong."""

    tp: float
    fp: float
    fn: float
    tn: float

    @property
    def precision(self) -> float:
        """Share of right answers among those that said this value; 0 where none did."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else 0.0

    @property
    def recall(self) -> float:
        """Share found of the records that have this value."""
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else 0.0

    @property
    def specificity(self) -> float:
        """Share left alone of the records that have another value."""
        return self.tn / (self.tn + self.fp) if self.tn + self.fp else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.tp / (2 * self.tp + self.fp + self.fn) if self.tp + self.fp + self.fn else 0.0

    @property
    def g_mean(self) -> float:
        """Geometric mean of recall and specificity."""
        return math.sqrt(self.recall * self.specificity)

    @property
    def mcc(self) -> float:
        """Matthews' correlation coefficient, -1 to 1; 0 where a margin is empty."""
        margins = (self.tp + self.fp) * (self.tp + self.fn) * (self.tn + self.fp) * (self.tn + self.fn)
        return (self.tp * self.tn - self.fp * self.fn) / math.sqrt(margins) if margins else 0.0


NAMES = ("precision", "recall", "f1", "g_mean", "mcc")


def confusion(truth: Codes, answers: Codes, count: int) -> Array:
    """Return how often value i was answered with value j, (V, V), of truth and answers (R,)."""
    return np.bincount(truth * count + answers, minlength=count * count).reshape(count, count).astype(float)


def counts_of(table: Array, value: int) -> Counts:
    """Return the counts of one value in a confusion table (V, V)."""
    tp, said, has = table[value, value], table[:, value].sum(), table[value].sum()
    return Counts(tp, said - tp, has - tp, table.sum() - said - has + tp)


def correlation(table: Array) -> float:
    """Return Matthews' correlation for V values (Gorodkin, 2004) of a confusion table (V, V); 0 where a margin is empty."""
    n, right, truth, said = table.sum(), np.trace(table), table.sum(1), table.sum(0)
    spread = (n * n - (said * said).sum()) * (n * n - (truth * truth).sum())
    return float((right * n - (truth * said).sum()) / math.sqrt(spread)) if spread > 0 else 0.0


def overall(table: Array) -> dict[str, float]:
    """Return accuracy, means over values of precision, recall, F1 and G-mean, and Matthews' correlation of a table (V, V)."""
    values = [counts_of(table, v) for v in range(len(table)) if table[v].sum()]
    found = {"accuracy": float(np.trace(table) / table.sum())}
    found |= {name: float(np.mean([getattr(c, name) for c in values])) for name in NAMES[:-1]}
    return found | {"mcc": correlation(table)}


def resampled(table: Array, rng: np.random.Generator) -> list[Array]:
    """Return confusion tables (V, V) as other records from the same source might have given them."""
    n = int(table.sum())
    return [t.reshape(table.shape).astype(float) for t in rng.multinomial(n, table.ravel() / n, DRAWS)]


def middle(values: list[float]) -> Interval:
    """Return what 95 % of values lie between."""
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def figures_of(truth: Codes, answers: Codes, column: Column, seed: int = 0) -> dict[str, Any]:
    """Return figures over all values and by value, each with its 95 % interval, as plain data.

    Accuracy, precision and recall have Wilson's interval, the others a percentile bootstrap's over records.

    Args:
        truth, answers: (R,) codes of values.
        column: the sensitive one.
    """
    count, n = len(column.values), len(truth)
    table = confusion(truth, answers, count)
    again = resampled(table, np.random.default_rng(seed))
    whole, others = overall(table), [overall(t) for t in again]
    intervals = {name: middle([o[name] for o in others]) for name in whole} | {
        "accuracy": wilson(whole["accuracy"] * n, n)
    }
    return {
        "n": n,
        "overall": _rounded(whole),
        "intervals": {name: _pair(pair) for name, pair in intervals.items()},
        "values": [
            {"value": column.values[v], **_value_figures(table, again, v)} for v in range(count) if table[v].sum()
        ],
        "confusion": table.astype(int).tolist(),
    }


def _value_figures(table: Array, again: list[Array], value: int) -> dict[str, Any]:
    c, others = counts_of(table, value), [counts_of(t, value) for t in again]
    intervals = {name: middle([getattr(o, name) for o in others]) for name in NAMES}
    for name, n in (("recall", c.tp + c.fn), ("precision", c.tp + c.fp)):
        if n:
            intervals[name] = wilson(c.tp, int(n))
    return {
        "n": int(c.tp + c.fn),
        **_rounded({name: getattr(c, name) for name in NAMES}),
        "intervals": {name: _pair(pair) for name, pair in intervals.items()},
    }


def disparity(truth: Codes, answers: Codes, groups: Array, column: Column) -> dict[str, Any]:
    """Return accuracy by group with its interval, and how far the groups lie apart.

    Groups of fewer than `SMALLEST` records are left out.

    Args:
        truth, answers: (R,) codes of the sensitive values.
        groups: (R,) codes of `column`'s values; NaN where unknown.
    """
    rows: list[dict[str, Any]] = []
    for code, name in enumerate(column.values):
        inside = groups == code
        n = int(inside.sum())
        if n < SMALLEST:
            continue
        right = float((truth[inside] == answers[inside]).sum())
        table = confusion(truth[inside], answers[inside], int(max(truth.max(), answers.max())) + 1)
        rows.append(
            {
                "group": name,
                "n": n,
                "accuracy": round(right / n, 4),
                "interval": _pair(wilson(right, n)),
                "mcc": round(correlation(table), 4),
            }
        )
    shares = [row["accuracy"] for row in rows]
    return {
        "column": column.name,
        "groups": rows,
        "gap": round(max(shares) - min(shares), 4) if len(rows) > 1 else None,
    }


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}


def _pair(interval: Interval) -> list[float]:
    return [round(v, 4) for v in interval]
