"""Two files of one make: private records and public ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from workbench.core.errors import UsageError
from workbench.tabular.reading import Sheet, number_of, read_sheet, table_of
from workbench.tabular.scenarios.base import Records, TableScenario, complete
from workbench.tabular.table import Column, DataTable, codes_of


def read_pair(private: Path, public: Path, scenario: TableScenario, source: str) -> Records:
    """Return the records of two files; what a category may be, the private one says.

    Records without response or sensitive value are left out.

    Raises:
        UsageError: a file has not the columns of the scenario, or the two have not the same.
    """
    table, notes = typed(read_sheet(private), scenario)
    beside, more = like(read_sheet(public), table)
    names = (scenario.response.name, scenario.sensitive[0])
    return Records(complete(table, *names), complete(beside, *names), source, notes=(*notes, *more))


def typed(sheet: Sheet, scenario: TableScenario) -> tuple[DataTable, list[str]]:
    """Return a sheet as a table with the response coded as the scenario counts its classes, and notes."""
    needed = (scenario.response.name, *scenario.sensitive)
    for name in needed:
        sheet.column(name)
    table, notes = table_of(sheet, keep=needed)
    return recoded(table, sheet, scenario), notes


def recoded(table: DataTable, sheet: Sheet, scenario: TableScenario) -> DataTable:
    """Return the table with the response's classes in the order of the scenario; raises `UsageError` for unknown ones."""
    response = scenario.response
    at, found = table.index(response.name), table.column(response.name).values
    if unknown := [value for value in found if value not in response.classes]:
        raise UsageError(
            f"Column '{response.name}' holds '{unknown[0]}'; {scenario.title} knows {', '.join(response.classes)}."
        )
    data = table.data.copy()
    data[:, at] = codes_of(sheet.column(response.name), response.classes)
    columns = (*table.columns[:at], Column(response.name, response.classes), *table.columns[at + 1 :])
    return DataTable(columns, data)


def like(sheet: Sheet, table: DataTable) -> tuple[DataTable, list[str]]:
    """Return a sheet as a table with another's columns; a category that the other has not is missing, and noted."""
    data, notes = [], []
    for column in table.columns:
        texts = sheet.column(column.name)
        if column.is_number:
            numbers = [np.nan if t is None or (n := number_of(t)) is None else n for t in texts]
            data.append(np.array(numbers))
            continue
        if unknown := {t for t in texts if t is not None} - set(column.values):
            notes.append(f"'{min(unknown)}' is in column '{column.name}' of one file only; it counts as missing.")
        data.append(codes_of(texts, column.values))
    return DataTable(table.columns, np.stack(data, 1)), notes
