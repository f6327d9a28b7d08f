"""The target as it was trained on private records, and as an attacker may ask it: behind its threat model, every row counted."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from workbench.core.errors import AccessDenied, BudgetSpent
from workbench.core.records import Access
from workbench.tabular.encoding import RecordEncoder
from workbench.tabular.models.base import Regression, TableModel
from workbench.tabular.models.tree import DecisionTree
from workbench.tabular.scenarios.base import Response
from workbench.tabular.table import Array, Codes

MANY = 50_000  # rows that are encoded at once


@dataclass(eq=False)
class TrainedTarget:
    """A model with what encodes its records.

    Attributes:
        model: tells classes; a `Regression` tells a number, of which the class is the group.
        spread: standard deviation of a regression's errors on its own training records.
        confusion: (K, K) share of records of true class i that it answers with class j, on its training records.
        limits: what a regression's answers are cut to, in the unit of the response; None for no limits.
    """

    encoder: RecordEncoder
    response: Response
    model: TableModel | Regression
    spread: float = 1.0
    confusion: Array = field(default_factory=lambda: np.zeros((0, 0)))
    limits: tuple[float, float] | None = None

    @property
    def regression(self) -> bool:
        return hasattr(self.model, "values")

    def values(self, rows: Array) -> Array:
        """Return the predicted number, (N,), of records (N, C); its square root where the response says so."""
        return np.concatenate([self.model.values(self.encoder.encode(part)) for part in _parts(rows)])  # type: ignore[union-attr]

    def scores(self, rows: Array) -> Array:
        """Return the confidence in every class, (N, K), of records (N, C)."""
        return np.concatenate([self.model.scores(self.encoder.encode(part)) for part in _parts(rows)])  # type: ignore[union-attr]

    def labels(self, rows: Array) -> Codes:
        """Return the class that is told of records (N, C), (N,)."""
        if self.regression:
            return self.response.grouped(self.natural(self.values(rows)))
        return self.scores(rows).argmax(1)

    def natural(self, values: Array) -> Array:
        """Return predictions (N,) in the unit of the response."""
        found = np.square(values.clip(0, None)) if self.response.root else values
        return found if self.limits is None else found.clip(*self.limits)


def _parts(rows: Array) -> list[Array]:
    return [rows[i : i + MANY] for i in range(0, max(1, len(rows)), MANY)]


class TableView:
    """What an attack gets of a target; each call counts its rows, whatever was asked of them before.

    Args:
        budget: most rows that may be asked about; None for no limit.
    """

    def __init__(self, target: TrainedTarget, access: Access, budget: int | None = None) -> None:
        self._target, self.access, self.budget, self.queries = target, access, budget, 0
        self.num_classes = len(target.response.classes)
        self.regression = target.regression

    def _count(self, rows: Array, *allowed: Access) -> None:
        if self.access not in allowed:
            raise AccessDenied(f"An attack with access '{self.access.value}' asked for more than that.")
        if self.budget is not None and self.queries + len(rows) > self.budget:
            raise BudgetSpent(f"the budget of {self.budget:,} queries is spent")
        self.queries += len(rows)

    def labels(self, rows: Array) -> Codes:
        """Return the class told of records (N, C), (N,)."""
        self._count(rows, *Access)
        return self._target.labels(rows)

    def scores(self, rows: Array) -> Array:
        """Return the confidences (N, K) of records (N, C)."""
        self._count(rows, Access.SCORES, Access.WHITE_BOX)
        return self._target.scores(rows)

    def values(self, rows: Array) -> Array:
        """Return the number told of records (N, C), (N,); its square root where the response says so."""
        self._count(rows, Access.SCORES, Access.WHITE_BOX)
        return self._target.values(rows)

    def leaves(self, rows: Array) -> Codes:
        """Return the leaf of a decision tree that records (N, C) end in, (N,)."""
        self._count(rows, Access.WHITE_BOX)
        return self.tree.leaves(self._target.encoder.encode(rows))

    @property
    def tree(self) -> DecisionTree:
        """The decision tree itself; raises `AccessDenied` for who may only ask."""
        if self.access is not Access.WHITE_BOX or not isinstance(self._target.model, DecisionTree):
            raise AccessDenied("Only a white-box attack on a decision tree sees the tree.")
        return self._target.model

    @property
    def encoder(self) -> RecordEncoder:
        """How records become features; raises `AccessDenied` for who may only ask."""
        if self.access is not Access.WHITE_BOX:
            raise AccessDenied("How the target encodes records is seen by white-box attacks alone.")
        return self._target.encoder

    @property
    def confusion(self) -> Array:
        """(K, K) share of the training records of class i that are told to be class j, as the owner publishes it."""
        return self._target.confusion

    @property
    def spread(self) -> float:
        """Standard deviation of a regression's errors, as the owner publishes it."""
        return self._target.spread
