"""What the table of runs says, as plain data; nothing of Gradio."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.core.errors import StoreError
from workbench.priors import PRIORS
from workbench.reports.film import can_webm
from workbench.reports.record import title_of
from workbench.runs.store import RunStore, RunSummary
from workbench.tabular.kinds import defense_title, scenario_title, target_title
from workbench.tabular.scenarios import is_table

PAGE = 50  # lines of the table
LONGEST_SEARCH = 80
MOST_AT_ONCE = 500  # runs that one click deletes


@dataclass(frozen=True)
class Look:
    """Which part of the table somebody looks at; pages are counted from 0."""

    page: int = 0
    search: str = ""

    @classmethod
    def of(cls, value: Any) -> Look:
        """Return what the page's own value says, as far as it makes sense."""
        said = value if isinstance(value, Mapping) else {}
        page = said.get("page", 0)
        search = said.get("search", "")
        return cls(
            max(0, page) if isinstance(page, int) else 0,
            search.strip()[:LONGEST_SEARCH] if isinstance(search, str) else "",
        )


def listing(store: RunStore, look: Look, owns: Callable[[str], bool], said: str = "") -> dict[str, Any]:
    """Return one page of the table, newest runs first, as the page draws it.

    Args:
        owns: whether an owner's runs are for who looks to change.
        said: what has just been done, in a sentence.
    """
    page = store.list(PAGE, offset=look.page * PAGE, search=look.search, kind=None)
    last = max(0, -(-page.total // PAGE) - 1)
    if look.page > last:  # what stood there was deleted
        return listing(store, Look(last, look.search), owns, said)
    webm = can_webm()
    return {
        "rows": [
            {**row(summary, verdict_of(store, summary)), "mine": owns(summary.owner), "webm": webm} for summary in page
        ],
        "page": look.page,
        "pages": last + 1,
        "total": page.total,
        "search": look.search,
        "said": " ".join(filter(None, [said, store.index.repaired])),
        "seq": time.time_ns(),
    }


def ago(then: float) -> str:
    """Return how long ago a time was, roughly."""
    seconds = max(0, time.time() - then)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return "just now"


def row(summary: RunSummary, verdict: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return one line of the table as plain data; the page writes it as text, never as markup.

    Args:
        verdict: what the judges who can say "nobody I know" found, where such were asked.
    """
    shared = {
        "id": summary.id,
        "kind": summary.kind,
        "name": summary.name or "",
        "state": summary.state.value,
        "ended": summary.state.ended,
        "seed": summary.seed,
        "when": ago(summary.created),
        "reason": summary.reason,
        "seconds": None if summary.seconds is None else round(summary.seconds, 1),
    }
    if summary.kind == "training":
        return {**shared, "what": f"Training: {trained(summary)}", "steps": summary.steps}
    return {
        **shared,
        "what": title_of(vars(summary)),
        "count": summary.candidates,
        "noun": "record" if is_table(summary.scenario) else "image",
        "accuracy": None if summary.accuracy is None else round(summary.accuracy, 4),
        "recognised": verdict["recognised"] if verdict else None,
        "judged": verdict["n"] if verdict else None,
    }


def verdict_of(store: RunStore, summary: RunSummary) -> Mapping[str, Any] | None:
    """Return what the judges found of a run, None where they were not asked or its record cannot be read."""
    if summary.kind == "training" or summary.accuracy is None:
        return None
    try:
        found = store.folder(summary.id).manifest().get("verdict")
    except StoreError:
        return None
    return found if isinstance(found, Mapping) and {"recognised", "n"} <= found.keys() else None


def trained(summary: RunSummary) -> str:
    """Return what a training trains, in the words of menus."""
    place, defense = scenario_title(summary.scenario), summary.defense
    if summary.attack == "target":
        return f"{target_title(summary.target)} on {place}" + (
            "" if defense == "none" else f", under {defense_title(defense)}"
        )
    title = PRIORS.entry(summary.attack).title if summary.attack in PRIORS else summary.attack
    return f"{title} prior on {place}" + (f", for {target_title(summary.target)}" if summary.target else "")
