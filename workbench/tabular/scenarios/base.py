"""What a scenario of tables is: private records, public ones, and which column is whose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np

from workbench.core.errors import DataMissing, UnknownName, UsageError, WorkbenchError
from workbench.core.paths import data_dir
from workbench.core.registry import Info, Registry
from workbench.tabular.reading import as_categories
from workbench.tabular.table import Array, Codes, DataTable

TABLES: Registry[type[TableScenario], Info] = Registry("table scenario", "workbench.tabular.scenarios")

ScenarioT = TypeVar("ScenarioT", bound="TableScenario")


@dataclass(frozen=True)
class Response:
    """The column that the target predicts.

    Attributes:
        name: of the column.
        classes: what it may be; of a number, the names of its groups.
        cuts: where a number's groups begin, one fewer than there are groups; () for a category.
        unit: of a number.
        root: whether a regression predicts the number's square root, as dosing formulas do.
    """

    name: str
    classes: tuple[str, ...]
    cuts: tuple[float, ...] = ()
    unit: str = ""
    root: bool = False

    @property
    def is_number(self) -> bool:
        return bool(self.cuts)

    def grouped(self, values: Array) -> Codes:
        """Return the class of each response, (N,), of numbers or codes (N,)."""
        return np.digitize(values, self.cuts).astype(np.int64) if self.cuts else values.astype(np.int64)


@dataclass(frozen=True, eq=False)
class Records:
    """What a scenario holds.

    Attributes:
        private: what the target learns from, and whom the attack is about.
        public: records of other people of the same kind; marginals and imputation come from them.
        source: where they come from, in words.
        synthetic: whether nobody is behind these records.
        notes: what was left out, a sentence each.
    """

    private: DataTable
    public: DataTable
    source: str
    synthetic: bool = False
    notes: tuple[str, ...] = ()


class TableScenario:
    """A reproducible setting of attribute inference. Subclasses say what they are and load their records.

    Attributes:
        sensitive: columns that an attack is offered, the usual one first.
        groups: columns by whose values attacks are compared, the usual one first.
        left_out: columns that no target sees.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    response: Response
    sensitive: tuple[str, ...]
    groups: tuple[str, ...] = ()
    default_target: ClassVar[str] = "tree"
    default_attack: ClassVar[str] = "csmia"
    noun: ClassVar[str] = "record"

    @cached_property
    def records(self) -> Records:
        """The records, split; raises `DataMissing` saying how to get them."""
        return ensure_usable(self.load(), self)

    def load(self) -> Records:
        raise NotImplementedError

    def problem(self) -> str | None:
        """Return why the records cannot be read here, or None."""
        try:
            _ = self.records
        except WorkbenchError as error:
            return str(error)
        return None

    def column_of(self, sensitive: str) -> str:
        """Return the column that is inferred, the usual one for ""; raises `UsageError` for one that cannot be."""
        name = sensitive or self.sensitive[0]
        table = self.records.private
        if name not in table.names:
            raise UnknownName("column", name, table.names)
        if name == self.response.name:
            raise UsageError(f"'{name}' is what the target predicts; the attacker knows it. Choose another column.")
        if table.column(name).is_number:
            raise UsageError(
                f"'{name}' is a number; attacks infer columns of a few values. Choose one of: "
                f"{', '.join(c.name for c in table.columns if not c.is_number and c.name != self.response.name)}."
            )
        return name


def ensure_usable(records: Records, scenario: TableScenario) -> Records:
    """Return records where the sensitive column and the response have more than one value; raises `UsageError` if not."""
    table = records.private
    for name in (scenario.sensitive[0], scenario.response.name):
        cells = table.of(name)
        if len(np.unique(cells[~np.isnan(cells)])) < 2:
            raise UsageError(
                f"Column '{name}' has one value in every record, so there is nothing to infer or to learn."
            )
    return records


def tables_dir() -> Path:
    """Where tables that a user brought lie."""
    return data_dir() / "tables"


def brought(name: str, hint: str) -> Path:
    """Return the file of a table that a user brought; raises `DataMissing` with how to bring it."""
    path = tables_dir() / f"{name}.csv"
    if not path.is_file():
        raise DataMissing(f"{hint} Then: python -m workbench bring-table FILE --as {name}")
    return path


def split(table: DataTable, share: float, seed: int = 0) -> tuple[DataTable, DataTable]:
    """Return two parts of a table's rows, the first with `share` of them, drawn by seed."""
    order = np.random.default_rng(seed).permutation(len(table))
    count = round(share * len(table))
    return table.rows(order[:count]), table.rows(order[count:])


def complete(table: DataTable, *names: str) -> DataTable:
    """Return the rows in which these columns are known."""
    known = np.all([~np.isnan(table.of(name)) for name in names], axis=0)
    return table.rows(known)


def categorical(table: DataTable, *names: str) -> DataTable:
    """Return the table with these columns as categories."""
    for name in names:
        table = as_categories(table, name)
    return table


def table_scenario(key: str, *, order: int = 100) -> Callable[[type[ScenarioT]], type[ScenarioT]]:
    """Register a `TableScenario` subclass under `key`."""

    def keep(cls: type[ScenarioT]) -> type[ScenarioT]:
        cls.key = key
        TABLES.register(Info(key=key, title=cls.title, order=order))(cls)
        return cls

    return keep


OWN = "table:"  # what the key of a table that a user brought begins with


def is_table(key: str) -> bool:
    """Return whether a scenario's key is one of tables."""
    return key.startswith(OWN) or key in TABLES
