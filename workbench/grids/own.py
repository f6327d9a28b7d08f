"""Grids of one's own: kept by their plan beside the runs, so that page and command line go on with the same one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.core.errors import StoreError, UnknownName, UsageError
from workbench.core.records import RunState
from workbench.grids.axes import GridPlan
from workbench.grids.base import GRIDS, Cell, GridFile, gathered_of, shipped
from workbench.grids.fill import SKIPPED, record_of
from workbench.runs.store import RunStore

PREFIX = "own-"
MOST = 100  # grids of one's own; each look at the list reads them
UNDER_WAY = ("queued", "running", "paused")


@dataclass(frozen=True)
class Table:
    """A grid as page and command line show it, registered or of one's own.

    Attributes:
        rows: what a row is, as a noun.
        axis: what `Cell.x` counts.
        absent: why a row and a column may have no cell together, in a few words.
        own: whether somebody here made it.
    """

    key: str
    title: str
    text: str
    cells: Callable[[], list[Cell]]
    rows: str = "attack"
    axis: str = "strength"
    absent: str = ""
    own: bool = False


def key_of(plan: GridPlan) -> str:
    """Return the name of a plan's file: the same plan always goes on with the same grid."""
    text = json.dumps(plan.to_json(), sort_keys=True)
    return PREFIX + hashlib.sha256(text.encode()).hexdigest()[:10]


def keep(plan: GridPlan, root: Path) -> GridFile:
    """Return the file of a plan, made where it is new; raises `UsageError` where there are too many already."""
    file, there = GridFile.of(root, key_of(plan)), own_keys(root)
    if file.path.stem not in there and len(there) >= MOST:
        raise UsageError(
            f"{MOST} tables were made here. Delete some of the files own-*.json in {root / 'grids'} first."
        )
    file.begin(plan.to_json())
    return file


def table_of(key: str, root: Path) -> Table:
    """Return a grid by its key; raises `UnknownName`, or `StoreError` for a file that cannot be read."""
    if not key.startswith(PREFIX):
        entry = GRIDS.entry(key)
        info = entry.info
        return Table(key, info.title, info.text, lambda: list(entry.item()), info.rows, info.axis, info.absent)
    if not key.removeprefix(PREFIX).isalnum() or (held := GridFile.of(root, key).plan()) is None:
        raise UnknownName("grid", key[:40], [*(entry.key for entry in GRIDS), *own_keys(root)])
    plan = GridPlan.from_json(held)
    varied = [axis for axis in plan.axes if axis.name != "seed"]
    seeds = next((axis.values for axis in plan.axes if axis.name == "seed"), ("0",))
    text = f"{plan.title}; {f'people {plan.classes}' if plan.classes else 'everyone'}, seed {', '.join(seeds)}."
    return Table(key, plan.title, text, plan.cells, plan.rows, varied[1].name if len(varied) > 1 else "", own=True)


def own_keys(root: Path) -> list[str]:
    """Return the grids that were made here, the newest first."""
    files = sorted((root / "grids").glob(f"{PREFIX}*.json"), key=lambda p: p.stat().st_mtime, reverse=True)
    return [file.stem for file in files]


def own_tables(root: Path) -> list[Table]:
    """Return the grids that were made here; one that cannot be read any more is passed over."""
    found = []
    for key in own_keys(root):
        try:
            found.append(table_of(key, root))
        except (StoreError, UsageError):
            continue
    return found


def records_of(key: str, root: Path) -> list[dict[str, Any]]:
    """Return a record for every cell of a grid: what was run here, else what is shipped, else "missing"."""
    table = table_of(key, root)
    return gathered_of(table.cells(), GridFile.of(root, key), () if table.own else shipped(key))


def refresh(cells: list[Cell], file: GridFile, store: RunStore) -> None:
    """File what has become of cells that were handed to the queue; a run that is gone counts as not run."""
    known = file.records()
    for cell in cells:
        record = known.get(cell.id)
        if record is None or record["state"] not in UNDER_WAY:
            continue
        try:
            folder = store.folder(record["run"])
            state = folder.state()
        except StoreError:
            file.forget(cell)
            continue
        if state is RunState.FINISHED:
            file.put(cell, **record_of(folder))
        elif state.value != record["state"]:
            file.put(cell, state=state.value, run=folder.id, reason=str(folder.manifest().get("reason", "")))


def skip(cells: list[Cell], file: GridFile, wanted: str) -> None:
    """Leave a cell out, or take one in again that was left out; raises `UnknownName` if there is none of this id."""
    cell = next((cell for cell in cells if cell.id == wanted), None)
    if cell is None:
        raise UnknownName("cell", wanted[:60], [cell.id for cell in cells[:8]])
    if file.records().get(cell.id, {}).get("state") == SKIPPED:
        file.forget(cell)
    else:
        file.put(cell, state=SKIPPED, reason="left out")
