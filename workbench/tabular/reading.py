"""Reading a CSV that anybody may have brought: what is wrong with it is said before anything is done with it."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from workbench.core.errors import DataMissing, UsageError
from workbench.tabular.table import Column, DataTable, codes_of

MOST_BYTES = 64 << 20
MOST_ROWS = 500_000
MOST_COLUMNS = 256
MOST_VALUES = 100  # of a category; a text column with more says who somebody is, and not what
MOST_NUMBERS = 12  # different numbers that are read as categories, in a column that is inferred
FEWEST_ROWS = 20
NUMBERS = 0.9  # share of a column's cells from which on it is meant to hold numbers
DELIMITERS = ",;\t|"
MISSING = frozenset({"", "na", "n/a", "nan", "?", "null", "missing"})
LONGEST_CELL = 1000


@dataclass(frozen=True)
class Sheet:
    """A file as texts: a header and rows of as many cells, None where a cell is missing.

    Attributes:
        decimal_comma: whether a number may be written 3,5.
    """

    names: tuple[str, ...]
    rows: list[list[str | None]] = field(repr=False)
    decimal_comma: bool = False

    def column(self, name: str) -> list[str | None]:
        """Return a column's cells; raises `UsageError` naming the columns that there are."""
        if name not in self.names:
            raise UsageError(f"The file has no column '{name}'. It has: {', '.join(self.names[:40])}.")
        at = self.names.index(name)
        return [row[at] for row in self.rows]


def read_sheet(path: Path) -> Sheet:
    """Return the file at `path` as texts.

    Raises:
        DataMissing: there is no such file.
        UsageError: it is too large, which is found before it is read, or no CSV.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DataMissing(f"{path} cannot be read ({error.strerror}).") from None
    ensure_size(size)
    return parse(path.read_bytes())


def ensure_size(size: int) -> None:
    """Raise `UsageError` for a file of more bytes than are read."""
    if size > MOST_BYTES:
        raise UsageError(
            f"The file has {size / 2**20:,.0f} MiB; at most {MOST_BYTES >> 20} MiB and {MOST_ROWS:,} rows are read. "
            "Take a sample of its rows."
        )


def parse(data: bytes) -> Sheet:
    """Return what a CSV holds; its encoding and delimiter are found out.

    Raises:
        UsageError: too many rows, which is counted before anything is parsed, or no CSV.
    """
    ensure_size(len(data))
    if (lines := data.count(b"\n")) > MOST_ROWS + 1:
        raise UsageError(
            f"The file has {lines:,} lines; at most {MOST_ROWS:,} rows are read. Take a sample of its rows."
        )
    text = decoded(data)
    head = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(DELIMITERS, key=head.count)
    try:
        lists = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if any(row)]
    except csv.Error as error:
        raise UsageError(f"The file is no CSV: {error}.") from None
    if len(lists) <= FEWEST_ROWS:
        raise UsageError(
            f"The file has {max(0, len(lists) - 1)} rows under its header; at least {FEWEST_ROWS} are needed."
        )
    named = [i for i, name in enumerate(lists[0]) if name.strip()]  # spreadsheets leave columns without a name behind
    names, width = header_of([lists[0][i] for i in named]), len(lists[0])
    for number, row in enumerate(lists[1:], start=2):
        if len(row) != width:
            raise UsageError(
                f"Row {number} has {len(row)} cells and the header {width} (delimiter {delimiter!r}). "
                "Put text that holds the delimiter between quotes."
            )
    return Sheet(names, [[cell_of(row[i]) for i in named] for row in lists[1:]], delimiter == ";")


def decoded(data: bytes) -> str:
    """Return a file's text: UTF-8, UTF-16 where it says so, else Western European as spreadsheets write it."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _decode(data, "utf-16")
    if b"\0" in data:
        raise UsageError("This is no text: it holds zero bytes. Save the table as CSV, encoded in UTF-8.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _decode(data, "cp1252")


def _decode(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise UsageError(
            "The encoding of the file is neither UTF-8, UTF-16 nor Windows-1252. Save it in UTF-8."
        ) from None


def header_of(cells: Sequence[str]) -> tuple[str, ...]:
    """Return the names of columns; raises `UsageError` where two have one name, or there is one alone."""
    names = tuple(cell.strip() for cell in cells)
    if len(names) < 2:
        raise UsageError("The file has one column. Columns are divided by a comma, semicolon, tab or bar.")
    if len(names) > MOST_COLUMNS:
        raise UsageError(f"The file has {len(names)} columns; at most {MOST_COLUMNS} are read.")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise UsageError(f"Several columns are called '{twice[0]}'. Give each column a name of its own.")
    return names


def cell_of(text: str) -> str | None:
    """Return a cell without spaces around it, None for one that says that nothing is known."""
    text = text.strip()[:LONGEST_CELL]
    return None if text.lower() in MISSING else text


def number_of(text: str, decimal_comma: bool = False) -> float | None:
    """Return a cell as a finite number, None for a text that is none."""
    try:
        value = float(text.replace(",", ".") if decimal_comma else text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def table_of(sheet: Sheet, *, keep: Iterable[str] = ()) -> tuple[DataTable, list[str]]:
    """Return a sheet as a table whose columns are found out, and what was left out of it, a sentence each.

    Args:
        keep: columns that must not be left out.

    Raises:
        UsageError: a column of numbers holds texts, or one that must not be left out is of no use.
    """
    columns: list[Column] = []
    cells, notes, needed = [], [], set(keep)
    for name in sheet.names:
        texts = sheet.column(name)
        found, values, problem = _column(name, texts, sheet.decimal_comma)
        if found is None:
            if name in needed:
                raise UsageError(problem)
            notes.append(f"{problem} It is left out.")
            continue
        columns.append(found)
        cells.append(values)
    if not columns:
        raise UsageError(f"No column of the table is of use. {' '.join(notes[:3])}")
    return DataTable(tuple(columns), np.stack(cells, 1)), notes


def _column(name: str, texts: Sequence[str | None], comma: bool) -> tuple[Column | None, np.ndarray, str]:
    """Return what a column is with its cells (N,), or None and why it is of no use."""
    nothing, known = np.empty(0), [t for t in texts if t is not None]
    if not known:
        return None, nothing, f"Column '{name}' is empty."
    numbers = [number_of(t, comma) for t in known]
    wrong = [t for t, n in zip(known, numbers, strict=True) if n is None]
    distinct = sorted(set(known))
    if len(wrong) < (1 - NUMBERS) * len(known):
        if wrong:
            row = texts.index(wrong[0]) + 2
            raise UsageError(
                f"Column '{name}' holds numbers, but {len(wrong)} cells of it are text, such as '{wrong[0][:40]}' in row "
                f"{row}. Write numbers there, or leave the cells empty."
            )
        values = np.array([np.nan if t is None else number_of(t, comma) or 0.0 for t in texts])
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        if low == high:
            return None, nothing, f"Column '{name}' has one value, {low:g}, in every row."
        return Column(name, low=low, high=high), values, ""
    if len(distinct) == 1:
        return None, nothing, f"Column '{name}' has one value, '{distinct[0][:40]}', in every row."
    if len(distinct) > MOST_VALUES:
        return (
            None,
            nothing,
            f"Column '{name}' has {len(distinct)} different texts; at most {MOST_VALUES} are a category.",
        )
    return Column(name, tuple(distinct)), codes_of(texts, distinct), ""


def as_categories(table: DataTable, name: str) -> DataTable:
    """Return a table whose column `name` is a category: a number of few values becomes one; raises `UsageError` for others."""
    at, column = table.index(name), table.column(name)
    if not column.is_number:
        return table
    distinct = np.unique(table.data[:, at][~np.isnan(table.data[:, at])])
    if len(distinct) > MOST_NUMBERS:
        raise UsageError(
            f"'{name}' has {len(distinct)} different numbers; a column that is inferred has at most {MOST_NUMBERS} values. "
            "Put them into groups, such as low, middle and high."
        )
    data = table.data.copy()
    for code, value in enumerate(distinct):
        data[table.data[:, at] == value, at] = code
    columns = (*table.columns[:at], Column(name, tuple(f"{v:g}" for v in distinct)), *table.columns[at + 1 :])
    return DataTable(columns, data)
