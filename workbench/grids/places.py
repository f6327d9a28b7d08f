"""A table's places: what several seeds of one row and column came to, and as text to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbench.grids.statistics import Average, average

MEASURES = {
    "recognised": "recognised by all judges",
    "acc@1": "evaluator's accuracy",
    "accuracy": "records whose value was named",
}


@dataclass(frozen=True)
class Place:
    """One row and column of one table: its runs, one for each seed."""

    group: str
    row: str
    column: str
    records: tuple[dict[str, Any], ...]

    @property
    def finished(self) -> list[dict[str, Any]]:
        return [record for record in self.records if record["state"] == "finished"]

    @property
    def state(self) -> str:
        """What a reader is to know first: a state that all have, else "partly"."""
        states = {record["state"] for record in self.records}
        return states.pop() if len(states) == 1 else "partly"

    def average(self, measure: str) -> Average | None:
        """Return a measure over the seeds that have finished."""
        return average(self.finished, measure)

    def word(self) -> str:
        """Return how far it is, in a few words; why, where something stands in the way."""
        done, total = len(self.finished), len(self.records)
        if done == total:
            return "" if total == 1 else f"{total} seeds"
        reasons = dict.fromkeys(
            r.get("reason") or WORDS.get(r["state"], r["state"]) for r in self.records if r not in self.finished
        )
        return (f"{done} of {total} seeds; " if total > 1 else "") + "; ".join(reasons)


WORDS = {"missing": "not run yet", "queued": "waits in the queue", "running": "is going", "paused": "is paused"}


def places(records: Sequence[dict[str, Any]]) -> list[Place]:
    """Return the places of a table, in the order of their first cells."""
    held: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for record in records:
        held.setdefault((record.get("group", ""), record["row"], record["column"]), []).append(record)
    return [Place(*where, tuple(found)) for where, found in held.items()]


def figure(found: Average | None) -> str:
    """Return an average with its interval, such as ``0.25 (0.09 to 0.53)``; a dash where there is none."""
    return "–" if found is None else f"{found.mean:.2f} ({found.interval[0]:.2f} to {found.interval[1]:.2f})"


def places_markdown(records: Sequence[dict[str, Any]], rows: str) -> str:
    """Return a grid as Markdown: rows down, columns across, a table for each group and measure.

    Args:
        rows: what a row is.
    """
    parts, held = [], places(records)
    for group in dict.fromkeys(place.group for place in held):
        inside = {(p.row, p.column): p for p in held if p.group == group}
        columns = list(dict.fromkeys(column for _, column in inside))
        told = [measure for measure in MEASURES if any(p.average(measure) for p in inside.values())]
        for measure in told or ["acc@1"]:
            lines = [
                f"**{' / '.join(filter(None, (group, MEASURES[measure])))}** (95 %, by person)",
                "",
                f"| {' | '.join([rows, *columns])} |",
                "|" + "---|" * (1 + len(columns)),
            ]
            for row in dict.fromkeys(row for row, _ in inside):
                cells = [_cell(inside.get((row, column)), measure) for column in columns]
                lines.append(f"| {' | '.join([row, *cells])} |")
            parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _cell(place: Place | None, measure: str) -> str:
    if place is None:
        return ""
    if not place.finished:
        return place.word()[:120].replace("|", "/")
    missing = len(place.records) - len(place.finished)
    return figure(place.average(measure)) + (
        f"; {len(place.finished)} of {len(place.records)} seeds" if missing else ""
    )
