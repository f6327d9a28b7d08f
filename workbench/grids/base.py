"""A grid: named cells, each one run; and the file in which their results gather."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.attacks import ATTACKS
from workbench.core.errors import StoreError, WorkbenchError
from workbench.core.knobs import knobs_of
from workbench.core.paths import ASSETS
from workbench.core.records import RunConfig
from workbench.core.registry import Info, Registry
from workbench.core.weights import read_card, write_atomically
from workbench.defenses.plan import under
from workbench.defenses.store import release_name, target_card, weights_name
from workbench.priors.base import prior_card
from workbench.targets.store import EVALUATOR

Cells = Callable[[], Iterable["Cell"]]

GRIDS: Registry[Cells, GridInfo] = Registry("grid", "workbench.grids")


@dataclass(frozen=True)
class Cell:
    """One run of a grid.

    Attributes:
        row, column: what a reader calls it, such as "GMI" and "faces".
        group: cells of one group belong together, such as one scenario's table.
        x: where the cell lies on a sweep, such as the strength of a defense; None where nothing is swept.
        seed: which of several runs it is that are averaged in one place of the table; None where there is one.
        problem: why its parts do not fit together, in a sentence; "" where they may.
    """

    row: str
    column: str
    config: RunConfig
    group: str = ""
    x: float | None = None
    seed: int | None = None
    problem: str = ""

    @property
    def id(self) -> str:
        seed = "" if self.seed is None else f"seed {self.seed}"
        return " / ".join(filter(None, (self.group, self.row, self.column, seed)))

    @property
    def place(self) -> dict[str, Any]:
        """Where a reader finds it, as its record says."""
        return {
            "id": self.id,
            "row": self.row,
            "column": self.column,
            "group": self.group,
            "x": self.x,
            "seed": self.seed,
        }


@dataclass(frozen=True, kw_only=True)
class GridInfo(Info):
    """What a grid says of itself.

    Attributes:
        text: what was run, in a sentence.
        rows: what a row is, as a noun.
        axis: what `Cell.x` counts.
        absent: why a row and a column may have no cell together, in a few words.
    """

    text: str
    rows: str = "attack"
    axis: str = "strength"
    absent: str = ""


def grid(
    key: str, *, title: str, text: str, rows: str = "attack", axis: str = "strength", absent: str = "", order: int = 100
) -> Callable[[Cells], Cells]:
    """Register a function that returns the cells of a grid; the arguments are those of `GridInfo`."""
    return GRIDS.register(GridInfo(key=key, title=title, order=order, text=text, rows=rows, axis=axis, absent=absent))


def weights_of(config: RunConfig) -> dict[str, str]:
    """Return the sha256 of every weight file a run rests on; a cell is run again when one has changed.

    "source" is the undefended target's prior, from which that of a defended one is tuned.
    """
    looks: dict[str, Callable[[], dict[str, Any]]] = {
        "target": lambda: target_card(config.scenario, config.target, config.defense),
        "evaluator": lambda: target_card(config.scenario, EVALUATOR),
    }
    if around := release_name(config.scenario, config.target, config.defense):
        looks["release"] = lambda: read_card(around)
    if prior := config.prior:
        looks["prior"] = lambda: prior_card(config.scenario, prior, config.target, under(config.defense))
        if config.defense != "none":
            looks["source"] = lambda: prior_card(config.scenario, prior, config.target)
    hashes = {}
    for name, look in looks.items():
        try:
            hashes[name] = look()["sha256"]
        except WorkbenchError:
            hashes[name] = ""
    return hashes


def training_seconds(config: RunConfig) -> float | None:
    """Return how long the target's training took, with that of what is put around its output; None where no card tells."""
    names = [
        weights_name(config.scenario, config.target, config.defense),
        release_name(config.scenario, config.target, config.defense),
    ]
    try:
        return round(sum(read_card(name)["seconds"] for name in names if name), 1)
    except (WorkbenchError, KeyError, TypeError):
        return None


class GridFile:
    """The results of a grid, one record a cell, written after every cell.

    A record holds `row`, `column`, `group`, `config`, `weights`, `run`, `state`, `reason` and the run's
    figures. States: those of a run, or "unavailable" for a cell that cannot run here.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, root: Path, key: str) -> GridFile:
        return cls(root / "grids" / f"{key}.json")

    def records(self) -> dict[str, dict[str, Any]]:
        """Return the records by cell id; {} before the first."""
        return self._read().get("cells", {})

    def plan(self) -> dict[str, Any] | None:
        """Return the plan of a grid of one's own; None for one that is registered."""
        return self._read().get("plan")

    def _read(self) -> dict[str, Any]:
        try:
            held = json.loads(self.path.read_text())
            if not isinstance(held["cells"], dict):
                raise ValueError("it holds no cells")
            return held
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise StoreError(f"{self.path} cannot be read ({error}). Delete it to fill the grid anew.") from None

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Keep every other writer out, of this process or another: page and command line may fill the same grid."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = self.path.with_name(f".{self.path.name}.lock").open("w")
        except OSError as error:
            raise StoreError(f"{self.path} cannot be written ({error.strerror}).") from None
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def begin(self, plan: dict[str, Any]) -> None:
        """Write the plan of a grid of one's own; what has been run of it stays."""
        with self._held():
            self._write({"cells": {}, **self._read(), "plan": plan})

    def put(self, cell: Cell, **fields: Any) -> None:
        """Write a cell's record."""
        with self._held():
            held = {"cells": {}, **self._read()}
            held["cells"][cell.id] = {**cell.place, "config": cell.config.to_json(), **fields}
            self._write(held)

    def forget(self, cell: Cell) -> None:
        """Take a cell's record out, so that it counts as not run yet."""
        with self._held():
            held = {"cells": {}, **self._read()}
            if held["cells"].pop(cell.id, None) is not None:
                self._write(held)

    def _write(self, held: dict[str, Any]) -> None:
        try:
            write_atomically(self.path, json.dumps(held, indent=1).encode())
        except OSError as error:
            raise StoreError(f"{self.path} cannot be written ({error.strerror}).") from None

    def done(self, cell: Cell) -> bool:
        """Return whether the cell has finished with this configuration and these weights."""
        record = self.records().get(cell.id)
        return (
            record is not None
            and record["state"] == "finished"
            and _complete(record["config"]) == _complete(_plain(cell.config))
            and _same_weights(record, cell.config)
        )


def shipped(key: str) -> list[dict[str, Any]]:
    """Return the records of a grid that come with the workbench; [] if none do."""
    path = ASSETS / "tables" / f"{key}.json"
    return json.loads(path.read_text()) if path.is_file() else []


def gathered(key: str, root: Path) -> list[dict[str, Any]]:
    """Return a record for every cell of a grid: what was run here, else what is shipped, else "missing".

    What is shipped counts only for the same configuration and the same weights.
    """
    return gathered_of(GRIDS[key](), GridFile.of(root, key), shipped(key))


def gathered_of(
    cells: Iterable[Cell], file: GridFile, elsewhere: Iterable[dict[str, Any]] = ()
) -> list[dict[str, Any]]:
    """Return a record for every cell: what was run here, else what is in `elsewhere`, else "missing"."""
    here = file.records()
    others = {_identity(r["config"]): {**r, "run": None, "shipped": True} for r in elsewhere}
    found = []
    for cell in cells:
        record = here.get(cell.id)
        if record is None or record["state"] != "finished":
            other = others.get(_identity(_plain(cell.config)))
            record = other if other and _same_weights(other, cell.config) else record
        if record is None and cell.problem:
            record = {"config": cell.config.to_json(), "state": "unavailable", "reason": cell.problem}
        found.append({**(record or {"config": cell.config.to_json(), "state": "missing"}), **cell.place})
    return found


def _identity(config: dict[str, Any]) -> str:
    """Return what tells a cell from every other, whatever it is called and on whatever device it ran."""
    return json.dumps({**_complete(config), "device": ""}, sort_keys=True)


def _complete(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration with the defaults of knobs that its attack did not have yet when it was written.

    A knob comes with a default that leaves an attack as it was, so that what ran before stands for it.
    """
    if config["attack"] not in ATTACKS:
        return config
    defaults = {name: knob.default for name, knob in knobs_of(ATTACKS[config["attack"]]).items()}
    return {**config, "knobs": {**defaults, **config["knobs"]}}


def _same_weights(record: dict[str, Any], config: RunConfig) -> bool:
    """Return whether a record's figures are those of today's weights.

    A prior that is not on this machine contradicts no figure, as long as what it was tuned from is the same:
    those of defended targets are not all shipped.
    """
    then, now = record.get("weights", {}), weights_of(config)
    if not now.get("prior") and "source" in then:
        then = {**then, "prior": now.get("prior")}
    return {"source": now.get("source"), **then} == {"source": None, **now}


def _plain(config: RunConfig) -> dict[str, Any]:
    return json.loads(json.dumps(config.to_json()))
