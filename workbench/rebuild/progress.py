"""What a rebuilding of everything has finished, for one that goes on after it was cut short."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from workbench.core.paths import models_dir
from workbench.core.weights import write_atomically
from workbench.rebuild.plan import RebuildRequest


def progress_path() -> Path:
    return models_dir() / ".checkpoints" / "shipped.json"


def done_before(request: RebuildRequest) -> list[str]:
    """Return what an earlier call that did not end has rebuilt for the same request."""
    if not request.everything:
        return []  # what it finished is there, and so no longer wanted
    try:
        noted = json.loads(progress_path().read_text())
    except (OSError, json.JSONDecodeError):
        return []
    return noted["done"] if noted["scenario"] == request.scenario else []


def note_done(request: RebuildRequest, done: Iterable[str]) -> None:
    """Remember what has been rebuilt, for a call that goes on after this one was cut short."""
    if request.everything:
        write_atomically(progress_path(), json.dumps({"scenario": request.scenario, "done": sorted(done)}).encode())


def forget_done(request: RebuildRequest) -> None:
    if request.everything:
        progress_path().unlink(missing_ok=True)
