"""A table that a user brought, with the column that is to be inferred and the one that the target predicts."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.core.errors import DataMissing, UnknownName, UsageError
from workbench.core.weights import write_atomically
from workbench.tabular.reading import MOST_NUMBERS, as_categories, parse, read_sheet, table_of
from workbench.tabular.scenarios.base import (
    OWN,
    TABLES,
    Records,
    Response,
    TableScenario,
    complete,
    ensure_usable,
    split,
    tables_dir,
)
from workbench.tabular.table import Column, DataTable

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
FILES = ("warfarin", "adult", "adult-public", "gss", "gss-public")  # what the scenarios that ship without records read
MOST_GROUPS = 12  # values of a column by which attacks are compared
THIRDS = ("low", "middle", "high")  # groups of a response that is a number


@dataclass(frozen=True)
class Declared:
    """What a user says of a table: which column is sensitive, and which one the target predicts."""

    sensitive: str
    response: str


class OwnTable(TableScenario):
    """The scenario ``table:NAME``; raises `DataMissing` where no table of that name was brought."""

    default_target = "tree"
    default_attack = "csmia"

    def __init__(self, name: str) -> None:
        self.name = name
        path, declared = self.file, declared_of(name)
        table, notes = table_of(read_sheet(path), keep=(declared.sensitive, declared.response))
        self.table, self.notes = as_categories(table, declared.sensitive), notes
        self.table, self.response = _respond(self.table, declared.response)
        self.sensitive = (declared.sensitive,)
        self.groups = tuple(
            c.name
            for c in self.table.columns
            if not c.is_number
            and c.name not in (declared.sensitive, declared.response)
            and len(c.values) <= MOST_GROUPS
        )

    @property
    def file(self) -> Path:
        return _file_of(self.name)

    def load(self) -> Records:
        known = complete(self.table, self.sensitive[0], self.response.name)
        private, public = split(known, 0.7)
        return Records(private, public, f"a table that was brought as '{self.name}'", notes=tuple(self.notes))


def _respond(table: DataTable, name: str) -> tuple[DataTable, Response]:
    """Return a table with its response: a number of many values is grouped in thirds for targets that tell classes."""
    cells = table.of(name)
    cells = cells[~np.isnan(cells)]
    if not table.column(name).is_number or len(np.unique(cells)) <= MOST_NUMBERS:
        table = as_categories(table, name)
        return table, Response(name, table.column(name).values)
    cuts = tuple(float(v) for v in np.unique(np.quantile(cells, (1 / 3, 2 / 3))))
    return table, Response(name, THIRDS if len(cuts) == 2 else (THIRDS[0], THIRDS[2]), cuts)


def _file_of(name: str) -> Path:
    if NAME.fullmatch(name) is None:
        raise UsageError(f"'{name[:40]}' is no name of a table: small letters, digits, - and _, at most 40.")
    path = tables_dir() / f"{name}.csv"
    if not path.is_file():
        raise UnknownName("table", name, own_tables())
    return path


def declared_of(name: str) -> Declared:
    """Return what was said of a table when it was brought; raises `DataMissing` where nothing was."""
    path = _file_of(name).with_suffix(".json")
    try:
        said = json.loads(path.read_text())
        return Declared(str(said["sensitive"]), str(said["response"]))
    except (OSError, ValueError, KeyError, TypeError):
        raise DataMissing(
            f"Nothing says which column of '{name}' is sensitive. Bring it anew: python -m workbench bring-table FILE "
            f"--name {name} --sensitive COLUMN --response COLUMN"
        ) from None


def own_tables() -> list[str]:
    """Return the names of tables that were brought as scenarios of their own."""
    return sorted(p.stem for p in tables_dir().glob("*.json") if p.with_suffix(".csv").is_file())


def bring(data: bytes, name: str, declared: Declared) -> OwnTable:
    """Keep a table under a name, once it can be used; returns its scenario.

    Args:
        data: the CSV.

    Raises:
        UsageError: with what is wrong with the table or its columns; nothing is kept then.
    """
    if NAME.fullmatch(name) is None:
        raise UsageError(f"'{name[:40]}' is no name of a table: small letters, digits, - and _, at most 40.")
    if name in FILES or name in TABLES:
        raise UsageError(f"'{name}' is the name of a scenario. Choose another.")
    if declared.sensitive == declared.response:
        raise UsageError("One column cannot be both what is inferred and what the target predicts.")
    parse(data)  # before anything is written
    path = tables_dir() / f"{name}.csv"
    before = {p: p.read_bytes() if p.is_file() else None for p in (path, path.with_suffix(".json"))}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)
    said = {"sensitive": declared.sensitive, "response": declared.response}
    write_atomically(path.with_suffix(".json"), json.dumps(said).encode())
    try:
        made = OwnTable(name)
        ensure_usable(made.records, made)
    except UsageError:
        for file, was in before.items():
            file.unlink() if was is None else write_atomically(file, was)
        raise
    return made


def looked_at(data: bytes) -> dict[str, Any]:
    """Return what a table could be used for, as plain data: its columns, which of them could be inferred or predicted, notes.

    Raises:
        UsageError: it cannot be read, or holds nothing to infer or to predict.
    """
    sheet = parse(data)
    table, notes = table_of(sheet)
    columns = [_described(table, column) for column in table.columns]
    inferred = [column["name"] for column in columns if column["inferred"]]
    if not inferred or len(columns) < 2:
        raise UsageError(
            "No column of the table could be inferred: that takes one of 2 to 12 numbers or 2 to 100 texts, and another one "
            "to predict. " + " ".join(notes)
        )
    return {"rows": len(sheet.rows), "columns": columns, "notes": notes}


def _described(table: DataTable, column: Column) -> dict[str, Any]:
    cells = table.of(column.name)
    known = cells[~np.isnan(cells)]
    distinct = len(np.unique(known))
    return {
        "name": column.name,
        "number": column.is_number,
        "values": distinct,
        "missing": len(cells) - len(known),
        "inferred": not column.is_number or distinct <= MOST_NUMBERS,
    }


def keep(data: bytes, name: str) -> None:
    """Keep the file of a scenario that ships without its records; raises `UsageError` if it is not that file."""
    if name not in FILES:
        raise UnknownName("file of a scenario", name, FILES)
    parse(data)
    path = tables_dir() / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)


def table_scenario_of(key: str) -> TableScenario:
    """Return the scenario of a key, one's own ``table:NAME`` included.

    Raises:
        UnknownName, DataMissing, UsageError.
    """
    return OwnTable(key.removeprefix(OWN)) if key.startswith(OWN) else TABLES[key]()
