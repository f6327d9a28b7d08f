"""Tables as attacks and models see them: columns that say what they may hold, and one array of codes and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from workbench.core.errors import UnknownName

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

BINS = 5  # values that stand for a number that is not known, each as likely


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: as it stands in the file.
        values: what a category may be, in the order of its codes; () for a number.
        low, high: what a number usually lies between.
        public_range: whether `low` and `high` were known before any record was seen, which differential privacy needs.
    """

    name: str
    values: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    public_range: bool = False

    @property
    def is_number(self) -> bool:
        return not self.values

    def said(self, value: float) -> str:
        """Return a cell as a person writes it."""
        if np.isnan(value):
            return "missing"
        return f"{value:g}" if self.is_number else self.values[int(value)]


@dataclass(frozen=True, eq=False)
class DataTable:
    """Records: N rows of C columns.

    Attributes:
        data: (N, C) float64; codes of categories and numbers, NaN where a cell is missing.
    """

    columns: tuple[Column, ...]
    data: Array = field(repr=False)

    def __len__(self) -> int:
        return len(self.data)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def index(self, name: str) -> int:
        """Return the position of a column; raises `UnknownName`."""
        try:
            return self.names.index(name)
        except ValueError:
            raise UnknownName("column", name, self.names) from None

    def column(self, name: str) -> Column:
        """Return what a column is; raises `UnknownName`."""
        return self.columns[self.index(name)]

    def of(self, name: str) -> Array:
        """Return a column's cells, (N,)."""
        return self.data[:, self.index(name)]

    def rows(self, which: NDArray[np.int64] | NDArray[np.bool_] | slice) -> DataTable:
        """Return some of the rows as a table."""
        return DataTable(self.columns, self.data[which])

    def without(self, *names: str) -> DataTable:
        """Return the table without some columns."""
        kept = [i for i, name in enumerate(self.names) if name not in names]
        return DataTable(tuple(self.columns[i] for i in kept), self.data[:, kept])


@dataclass(frozen=True)
class Marginal:
    """How one column is distributed, as far as an attacker knows: V values and how likely each is.

    A number is stood for by the middles of `BINS` equally likely parts.
    """

    values: tuple[float, ...]
    shares: tuple[float, ...]


def marginal_of(column: Column, cells: Array) -> Marginal:
    """Return the distribution of cells (N,) of a column; each value of a category counts one record more than it has."""
    known = cells[~np.isnan(cells)]
    if column.is_number:
        middles = np.quantile(known, (np.arange(BINS) + 0.5) / BINS) if len(known) else np.array([column.low])
        return Marginal(tuple(middles.tolist()), (1 / len(middles),) * len(middles))
    counts = np.bincount(known.astype(int), minlength=len(column.values)) + 1
    return Marginal(tuple(map(float, range(len(column.values)))), tuple((counts / counts.sum()).tolist()))


def marginals_of(table: DataTable) -> dict[str, Marginal]:
    """Return the distribution of every column by its name."""
    return {c.name: marginal_of(c, table.data[:, i]) for i, c in enumerate(table.columns)}


def codes_of(texts: Sequence[str | None], values: Sequence[str]) -> Array:
    """Return the codes of texts (N,), NaN where a text is missing or none of `values`."""
    numbers = {value: float(code) for code, value in enumerate(values)}
    return np.array([np.nan if text is None else numbers.get(text, np.nan) for text in texts])
