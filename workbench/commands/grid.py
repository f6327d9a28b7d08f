"""``grid``: fill a table of runs, and go on where it stopped."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from workbench.commands.base import command
from workbench.core.errors import UsageError
from workbench.core.paths import ASSETS, runs_dir
from workbench.core.weights import write_atomically
from workbench.engine.model_cache import pick_device
from workbench.grids import GRIDS, Cell, GridFile
from workbench.grids.base import gathered
from workbench.grids.fill import fill
from workbench.grids.markdown import markdown, sheet_name, sheet_of
from workbench.runs.store import RunStore


def cells_named(cells: list[Cell], only: list[str]) -> list[Cell]:
    """Return the cells whose name holds every word of `only`; raises `UsageError` if none does."""
    matching = [cell for cell in cells if all(word.lower() in cell.id.lower() for word in only)]
    if not matching:
        raise UsageError(f"No cell of this grid is named so. Cells: {', '.join(cell.id for cell in cells[:8])}, ...")
    return matching


def line_of(cell: Cell, record: dict[str, Any]) -> str:
    accuracy = (record.get("metrics") or {}).get("acc@1")
    figure = "" if accuracy is None else f"  Acc@1 {accuracy:.2f}"
    return f"{cell.id}: {record['state']}{figure}  {record.get('reason', '')}".rstrip()


def write_table(preset: str, folder: Path) -> None:
    """Write the table as JSON and Markdown, and a small sheet for every cell whose run is in the store.

    Cells that were not run here stay as they are shipped.
    """
    store = RunStore(runs_dir())
    records = [{k: v for k, v in record.items() if k != "shipped"} for record in gathered(preset, runs_dir())]
    for record in records:
        if record["state"] == "finished" and record.get("run"):
            record["sheet"] = sheet_name(record)
            write_atomically(folder / preset / record["sheet"], sheet_of(store.folder(record["run"])))
    write_atomically(folder / f"{preset}.json", json.dumps(records, indent=1).encode())
    write_atomically(folder / f"{preset}.md", markdown(records, GRIDS.entry(preset).info.rows).encode())


@command("grid", "Fill a table of runs", order=4)
class GridCommand:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--preset", required=True, help="which table")
        parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="cells whose name holds these words")
        parser.add_argument("--jobs", type=int, help="cells at once (default: what the device bears)")
        parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
        parser.add_argument("--again", action="store_true", help="run finished cells again")
        parser.add_argument("--show", action="store_true", help="print what is here or shipped, run nothing")
        parser.add_argument(
            "--write",
            type=Path,
            nargs="?",
            const=ASSETS / "tables",
            metavar="DIR",
            help="also keep the table there (default: assets/tables)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object at the end")

    @staticmethod
    def run(options: argparse.Namespace) -> int:
        if options.jobs is not None and options.jobs < 1:
            raise UsageError("--jobs must be at least 1.")
        entry = GRIDS.entry(options.preset)
        cells = cells_named(list(entry.item()), options.only)
        device, root = pick_device(options.device).type, runs_dir()
        file = GridFile.of(root, options.preset)
        if not options.show:
            for cell, record in fill(cells, file, root, device=device, jobs=options.jobs, again=options.again):
                print(line_of(cell, record), file=sys.stderr, flush=True)
        wanted = {cell.id for cell in cells}
        records = [
            record
            for cell, record in zip(entry.item(), gathered(options.preset, root), strict=True)
            if cell.id in wanted
        ]
        if options.write is not None:
            write_table(options.preset, options.write)
        print(
            json.dumps({"grid": options.preset, "cells": records})
            if options.json
            else markdown(records, entry.info.rows)
        )
        return 1 if any(record["state"] == "failed" for record in records) else 0
