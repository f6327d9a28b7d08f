"""How long a grid will take and what it will ask, before it starts: judged by runs like its cells before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.core.records import RunConfig
from workbench.grids.base import GRIDS, Cell, shipped
from workbench.runs.store import RunStore
from workbench.tabular.kinds import asks_from_outside

USUAL = 45.0  # seconds of a cell like which none has been run
AROUND = 4.0  # seconds beside the attack itself, for loading and judging


@dataclass(frozen=True)
class GridEstimate:
    """What a grid will take.

    Attributes:
        cells: how many are to be run.
        seconds: of all of them, one after another.
        queries: that black-box attacks will make; None where nothing like them has been run.
        known: how many cells are like runs before; the rest are guessed.
    """

    cells: int
    seconds: float
    queries: int | None
    known: int

    def elapsed(self, workers: int) -> float:
        """Return the seconds with so many cells at once, each on a core of its own."""
        return self.seconds / max(1, min(workers, self.cells or 1))

    def sentence(self, workers: int) -> str:
        """Return it in words."""
        if not self.cells:
            return "Nothing is left to run."
        asked = "" if not self.queries else f", about {self.queries:,} queries to black-box targets"
        basis = (
            "judged by runs like these"
            if self.known == self.cells
            else f"{self.cells - self.known} of them are like no run before, so this is a guess"
        )
        return (
            f"{self.cells} cell{'s' * (self.cells != 1)}: about {minutes(self.elapsed(workers))} with {workers} at once "
            f"({minutes(self.seconds)} of one core){asked}; {basis}."
        )


def minutes(seconds: float) -> str:
    """Return a time as a person says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@dataclass(frozen=True)
class _Past:
    """One run before: what it took for so much work."""

    seconds: float
    queries: float
    work: float  # steps x candidates


def _work(steps: Any, candidates: int) -> float:
    return float(steps or 1) * candidates


def _candidates(config: RunConfig) -> int:
    return len(config.classes) * config.restarts


class Estimator:
    """Judges cells by the store's runs, and by the shipped tables where the store has none; remembers what it read."""

    def __init__(self, store: RunStore | None) -> None:
        self.store = store
        self._known: dict[tuple[str, str], _Past | None] = {}
        self._tables: list[dict[str, Any]] | None = None

    def of(self, cells: Iterable[Cell]) -> GridEstimate:
        """Return the estimate of cells that are to be run."""
        seconds, queries, known, count = 0.0, 0.0, 0, 0
        for cell in cells:
            count += 1
            config, past = cell.config, self._past(cell.config.scenario, cell.config.attack)
            black_box = asks_from_outside(config.scenario, config.attack)
            if past is None:
                seconds += USUAL
                queries += config.budget or 0
                continue
            known += 1
            share = _work(config.knobs.get("steps"), _candidates(config)) / past.work
            seconds += past.seconds * share + AROUND
            if black_box:
                queries += min(past.queries * share, config.budget or float("inf"))
        return GridEstimate(count, seconds, round(queries) or None, known)

    def _past(self, scenario: str, attack: str) -> _Past | None:
        key = (scenario, attack)
        if key not in self._known:
            self._known[key] = self._here(scenario, attack) or self._shipped(scenario, attack)
        return self._known[key]

    def _here(self, scenario: str, attack: str) -> _Past | None:
        if self.store is None:
            return None
        runs = [r for r in self.store.lengths(attack, scenario) if r.seconds and r.steps]
        return _middle([(r.seconds or 0.0, r.queries or 0, _work(r.steps, r.candidates)) for r in runs])

    def _shipped(self, scenario: str, attack: str) -> _Past | None:
        if self._tables is None:
            self._tables = [record for entry in GRIDS for record in shipped(entry.key)]
        runs = [
            r
            for r in self._tables
            if r["state"] == "finished" and r.get("seconds") and _like(r["config"]) == (scenario, attack, None)
        ]
        sized = [(r, len(r["config"]["classes"]) * r["config"]["restarts"]) for r in runs]
        return _middle(
            [(r["seconds"], r.get("queries") or 0, _work(r["config"]["knobs"].get("steps"), n)) for r, n in sized]
        )


def _like(config: dict[str, Any]) -> tuple[Any, ...]:
    return config["scenario"], config["attack"], config.get("budget")


def _middle(runs: Sequence[tuple[float, float, float]]) -> _Past | None:
    """Return the middle one of some runs by seconds for their work, so that one on a busy machine weighs nothing."""
    if not runs:
        return None
    seconds, queries, work = sorted(runs, key=lambda run: run[0] / run[2])[len(runs) // 2]
    return _Past(seconds, queries, work)
