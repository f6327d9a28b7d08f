"""What a model is given of a record: categories as ones and zeros, numbers between 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.tabular.table import Array, Column

Features = NDArray[np.float32]


@dataclass(frozen=True)
class RecordEncoder:
    """Turns records (N, C) into features (N, D).

    A missing category is none of its values; a missing number is the middle of its range.
    """

    columns: tuple[Column, ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """How many features each column has."""
        return tuple(len(c.values) or 1 for c in self.columns)

    @property
    def width(self) -> int:
        """D."""
        return sum(self.widths)

    def places(self, column: int) -> slice:
        """Return which features are a column's."""
        start = sum(self.widths[:column])
        return slice(start, start + self.widths[column])

    def names(self) -> list[str]:
        """Return what each feature is called, such as ``race=Asian``."""
        return [f"{c.name}={v}" if v else c.name for c in self.columns for v in (c.values or ("",))]

    def encode(self, data: Array) -> Features:
        """Return features (N, D) of records (N, C)."""
        features = np.zeros((len(data), self.width), dtype=np.float32)
        for i, column in enumerate(self.columns):
            cells, place = data[:, i], self.places(i)
            if column.is_number:
                scaled = (cells - column.low) / ((column.high - column.low) or 1.0)
                features[:, place.start] = np.where(np.isnan(scaled), 0.5, np.clip(scaled, 0, 1))
            else:
                known = np.flatnonzero(~np.isnan(cells))
                features[known, place.start + cells[known].astype(int)] = 1.0
        return features


def encoder_of(columns: Sequence[Column]) -> RecordEncoder:
    """Return what encodes records of these columns."""
    return RecordEncoder(tuple(columns))
