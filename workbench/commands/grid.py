"""``grid``: fill a table of runs, one that comes with the workbench or one over axes of one's own."""

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
from workbench.engine.compatibility import problems
from workbench.engine.model_cache import pick_device
from workbench.grids import GRIDS, Cell, GridFile
from workbench.grids.axes import plan_of
from workbench.grids.base import gathered
from workbench.grids.estimate import Estimator
from workbench.grids.fill import SKIPPED, default_jobs, fill
from workbench.grids.markdown import markdown, sheet_name, sheet_of
from workbench.grids.own import Table, keep, key_of, records_of, refresh, table_of
from workbench.grids.places import MEASURES, places_markdown
from workbench.grids.ray_pool import ray_pool
from workbench.grids.statistics import compare
from workbench.runs.store import RunStore


def cells_named(cells: list[Cell], only: list[str]) -> list[Cell]:
    """Return the cells whose name holds every word of `only`; raises `UsageError` if none does."""
    matching = [cell for cell in cells if all(word.lower() in cell.id.lower() for word in only)]
    if not matching:
        raise UsageError(f"No cell of this grid is named so. Cells: {', '.join(cell.id for cell in cells[:8])}, ...")
    return matching


def line_of(cell: Cell, record: dict[str, Any]) -> str:
    accuracy, verdict = (record.get("metrics") or {}).get("acc@1"), record.get("verdict")
    figure = "" if accuracy is None else f"  Acc@1 {accuracy:.2f}"
    if (right := (record.get("metrics") or {}).get("accuracy")) is not None:
        figure = f"  named {right:.3f}, MCC {record['metrics']['mcc']:.3f}"
    figure = f"  recognised {verdict['recognised']} of {verdict['n']}{figure}" if verdict else figure
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
    done = [record for record in records if record["state"] == "finished"]  # what is not there is known from the cells
    write_atomically(folder / f"{preset}.json", json.dumps(done, indent=1).encode())
    write_atomically(folder / f"{preset}.md", markdown(records, GRIDS.entry(preset).info.rows).encode())


def wanted_table(options: argparse.Namespace, root: Path) -> Table:
    """Return the table that the flags name; a plan of one's own is kept, so that the page shows it too."""
    if bool(options.axis) == bool(options.preset):
        raise UsageError("Name a table with --preset, or make one with --scenario and --axis.")
    if options.preset:
        return table_of(options.preset, root)
    if not options.scenario:
        raise UsageError("Name the scenario of these axes with --scenario.")
    plan = plan_of(
        options.scenario,
        options.axis,
        attack=options.attack or "",
        classes=options.classes or "",
        preset=options.knobs_preset,
    )
    keep(plan, root)
    return table_of(key_of(plan), root)


def left_to_run(cells: list[Cell], file: GridFile, again: bool) -> list[Cell]:
    """Return the cells that a call would carry out."""
    known = file.records()
    return [
        cell
        for cell in cells
        if (again or not (file.done(cell) or known.get(cell.id, {}).get("state") == SKIPPED))
        and not cell.problem
        and not problems(cell.config)
    ]


@command("grid", "Fill a table of runs", order=4)
class GridCommand:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--preset", help="a table that comes with the workbench, or one that was made here")
        parser.add_argument("--scenario", help="of a table of one's own")
        parser.add_argument(
            "--axis",
            action="append",
            default=[],
            metavar="NAME=VALUE,...",
            help="what is varied: attack, defense, target, prior, seed, restarts, budget, asks or a knob; the first goes "
            "down, the second across, seeds are averaged",
        )
        parser.add_argument("--attack", help="where no axis varies it (default: the scenario's)")
        parser.add_argument("--classes", help="such as 0-7 (default: all)")
        parser.add_argument(
            "--knobs-preset", default="demo", help="knob values that attacks start from (default: demo)"
        )
        parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="cells whose name holds these words")
        parser.add_argument(
            "--workers", "--jobs", type=int, dest="jobs", help="cells at once (default: what the device bears)"
        )
        parser.add_argument(
            "--ray", metavar="ADDRESS", help="carry cells out on this Ray cluster, such as auto; local starts one here"
        )
        parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
        parser.add_argument("--again", action="store_true", help="run finished and skipped cells again")
        parser.add_argument("--show", action="store_true", help="print what is here or shipped, run nothing")
        parser.add_argument("--estimate", action="store_true", help="say how long it will take, run nothing")
        parser.add_argument(
            "--test", nargs=2, metavar=("A", "B"), help="test two rows or two columns against each other, by person"
        )
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
            raise UsageError("--workers must be at least 1.")
        root = runs_dir()
        table = wanted_table(options, root)
        cells = cells_named(table.cells(), options.only)
        device, file = pick_device(options.device).type, GridFile.of(root, table.key)
        if options.write is not None and table.own:
            raise UsageError("--write keeps tables that come with the workbench; redirect --json for one of your own.")
        if not options.show:
            store = RunStore(root)
            refresh(cells, file, store)
            estimate = Estimator(store).of(left_to_run(cells, file, options.again))
            print(f"{table.title}. {estimate.sentence(options.jobs or default_jobs(device))}", file=sys.stderr)
        if not options.show and not options.estimate:
            pool = ray_pool(options.ray) if options.ray else None
            for cell, record in fill(
                cells, file, root, device=device, jobs=options.jobs, again=options.again, pool=pool
            ):
                print(line_of(cell, record), file=sys.stderr, flush=True)
        wanted = {cell.id for cell in cells}
        records = [record for record in records_of(table.key, root) if record["id"] in wanted]
        if options.write is not None:
            write_table(table.key, options.write)
        if options.json:
            print(json.dumps({"grid": table.key, "cells": records}))
        else:
            print(places_markdown(records, table.rows) if table.own else markdown(records, table.rows))
        if options.test:
            print(tested(records, *options.test))
        return 1 if any(record["state"] == "failed" for record in records) else 0


def tested(records: list[dict[str, Any]], first: str, second: str) -> str:
    """Return what a test of two rows or two columns says, a line a measure; raises `UsageError` if it says nothing."""
    said = []
    for measure in MEASURES:
        if (found := compare(records, first, second, measure)) is not None:
            said.append(
                f"{measure}: {second} less {first} {found.difference:+.3f}, p = {found.p:.4f} "
                f"(signs of {found.persons} people permuted)"
            )
    if not said:
        names = dict.fromkeys(r[side] for side in ("row", "column") for r in records)
        raise UsageError(
            f"'{first}' and '{second}' are no two rows or columns with runs here. There are: {', '.join(names)}."
        )
    return "\n".join(said)
