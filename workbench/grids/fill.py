"""Filling a grid: cells in parallel processes, resumed where it stopped, a failed one reported and passed over."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from workbench.core.errors import WorkbenchError
from workbench.core.records import RunConfig, RunState
from workbench.engine.compatibility import problems
from workbench.engine.execute import execute
from workbench.engine.model_cache import ModelCache
from workbench.grids.base import Cell, GridFile, training_seconds, weights_of
from workbench.grids.persons import persons_of
from workbench.runs.run_folder import RunFolder
from workbench.runs.store import RunStore
from workbench.tabular.kinds import shape_of

SKIPPED = "skipped"  # of a cell that somebody does not want run
# Carries out cells in the store at a path, so many at once; yields them as they end and adds lost ones to the last list.
Pool = Callable[[list[Cell], Path, int, list[Cell]], Iterator[tuple[Cell, dict[str, Any]]]]
FIGURES = ("seconds", "steps", "steps_per_second", "queries", "metrics", "baseline", "target_accuracy", "verdict")
ATTEMPTS = 2  # a process killed under one cell takes its neighbours with it; they deserve a second try


def default_jobs(device: str) -> int:
    """Return how many cells run at once: a process a core on a CPU, three on a GPU."""
    return 3 if device != "cpu" and torch.cuda.is_available() else max(1, len(os.sched_getaffinity(0)))


@lru_cache(maxsize=1)
def _lab(device: str) -> ModelCache:
    return ModelCache(device)


def _prepare() -> None:
    torch.set_num_threads(1)
    threading.Thread(target=_leave_with_parent, name="parent", daemon=True).start()


def _leave_with_parent() -> None:
    """End this process once the one that fills the grid is gone, whatever became of it; its cell runs again next time."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def run_cell(config: RunConfig, root: Path) -> dict[str, Any]:
    """Run one cell into the run store at `root`; return its record's fields."""
    store = RunStore(root)
    shape = shape_of(config.scenario)
    folder = store.create(config, owner="grid", shape=shape, state=RunState.RUNNING)
    execute(config, folder, _lab(config.device), ledger=store, runs=store.root, fps=1.0)
    return record_of(folder)


def record_of(folder: RunFolder) -> dict[str, Any]:
    """Return what a grid keeps of an ended run."""
    manifest = folder.manifest()
    return {
        "run": folder.id,
        "state": manifest["state"],
        "reason": manifest.get("reason", ""),
        "weights": weights_of(folder.config()),
        "training_seconds": training_seconds(folder.config()),
        "persons": persons_of(folder),
        "layout": folder.scene().get("sheet"),
        **{name: manifest.get(name) for name in FIGURES},
    }


def adopt(cells: Iterable[Cell], file: GridFile, store: RunStore) -> int:
    """File finished runs of the store in the cells whose configuration they have; return how many.

    So that cells run from the interface, or by hand, need not run again.
    """
    known = file.records()
    open_cells = {_key(c.config): c for c in cells if known.get(c.id, {}).get("state") != "finished"}
    count = 0
    for summary in store.list(1000, RunState.FINISHED):
        if not any(summary.attack == c.config.attack for c in open_cells.values()):
            continue
        cell = open_cells.pop(_key(store.folder(summary.id).config()), None)
        if cell is not None:
            file.put(cell, **record_of(store.folder(summary.id)))
            count += 1
    return count


def _key(config: RunConfig) -> str:
    return json.dumps(replace(config, device="auto").to_json(), sort_keys=True)


def fill(
    cells: list[Cell],
    file: GridFile,
    root: Path,
    *,
    device: str = "auto",
    jobs: int | None = None,
    again: bool = False,
    pool: Pool | None = None,
) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Run what is not done yet; yield each cell with its record as it ends.

    However it ends, by a kill in mid cell too, what has been filed stays: the same call goes on where it stopped.

    Args:
        jobs: cells at once; as many as the device bears if None.
        again: run finished and skipped cells too.
        pool: what carries cells out; processes of this machine if None.
    """
    known = file.records()
    open_cells: list[Cell] = []
    for cell in (replace(c, config=replace(c.config, device=device)) for c in cells):
        if not again and (file.done(cell) or known.get(cell.id, {}).get("state") == SKIPPED):
            continue
        if found := [cell.problem] if cell.problem else problems(cell.config):
            record = {"state": "unavailable", "reason": " ".join(found)}
            file.put(cell, **record)
            yield cell, record
        else:
            open_cells.append(cell)
    tries = dict.fromkeys(map(lambda c: c.id, open_cells), 0)
    while open_cells:
        count = min(jobs or default_jobs(device), len(open_cells))
        lost: list[Cell] = []
        for cell, record in (pool or _pool)(open_cells, root, count, lost):
            file.put(cell, **record)
            yield cell, record
        open_cells = []
        for cell in lost:
            tries[cell.id] += 1
            if tries[cell.id] < ATTEMPTS:
                open_cells.append(cell)
                continue
            record = {
                "state": "failed",
                "reason": "The process running this cell was killed, perhaps for want of memory.",
            }
            file.put(cell, **record)
            yield cell, record


def _pool(cells: list[Cell], root: Path, jobs: int, lost: list[Cell]) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Yield finished cells; those that a killed process took with it are added to `lost`."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_prepare) as pool:
        waiting = iter(cells)
        running: dict[Future, Cell] = {}

        def start() -> None:
            while len(running) < jobs and (cell := next(waiting, None)) is not None:
                try:
                    running[pool.submit(run_cell, cell.config, root)] = cell
                except BrokenProcessPool:
                    lost.append(cell)

        start()
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                cell = running.pop(future)
                try:
                    yield cell, future.result()
                except BrokenProcessPool:
                    lost.append(cell)
                except WorkbenchError as error:
                    yield cell, {"state": "failed", "reason": str(error)}
            start()
