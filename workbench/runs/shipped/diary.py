"""What a rebuilding of everything has finished, for one that goes on after it was cut short."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from workbench.core.paths import models_dir
from workbench.core.weights import write_atomically
from workbench.runs.shipped.planning import Wish


def diary_path() -> Path:
    return models_dir() / ".checkpoints" / "shipped.json"


def done_before(wish: Wish) -> list[str]:
    """Return what an earlier call that did not end has rebuilt for the same wish."""
    if not wish.everything:
        return []  # what it finished is there, and so no longer wanted
    try:
        diary = json.loads(diary_path().read_text())
    except (OSError, json.JSONDecodeError):
        return []
    return diary["done"] if diary["scenario"] == wish.scenario else []


def note_done(wish: Wish, done: Iterable[str]) -> None:
    """Remember what has been rebuilt, for a call that goes on after this one was cut short."""
    if wish.everything:
        write_atomically(diary_path(), json.dumps({"scenario": wish.scenario, "done": sorted(done)}).encode())


def forget_done(wish: Wish) -> None:
    if wish.everything:
        diary_path().unlink(missing_ok=True)
