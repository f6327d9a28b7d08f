"""Judgements of real photographs, the ceiling beside every run, kept: they are the same for as long as nobody changes the judges.

Judging the held-out images takes longer than judging a run; what was found is read again from ``assets/ceilings`` or from
this user's cache, where it is of the same images, judges and measures.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workbench.core.paths import ASSETS, cache_dir
from workbench.core.weights import write_atomically
from workbench.metrics.base import METRICS, EvalContext
from workbench.metrics.judge import Judgement, ceiling
from workbench.metrics.panel_verdict import Answer, PanelVerdict
from workbench.metrics.sets import SET_METRICS, SetFigure

SHIPPED = ASSETS / "ceilings"


def stamp_of(context: EvalContext) -> str:
    """Return a hash of all that a ceiling depends on: the private images, the judges' weights, the measures."""
    digest = hashlib.sha256()
    for part in (context.private.train, context.private.heldout):
        digest.update(part.images.contiguous().cpu().numpy().tobytes())
        digest.update(part.labels.cpu().numpy().tobytes())
    judges = [(m.key, m.card.weights, m.card.body, m.threshold, m.least_detail) for m in context.panel]
    digest.update(json.dumps([judges, METRICS.keys(), SET_METRICS.keys()]).encode())
    return digest.hexdigest()


def ceiling_of(scenario: str, context: EvalContext) -> Judgement:
    """Return the judgement of the held-out images; made if none is kept, and then kept."""
    stamp, name = stamp_of(context), f"{scenario}.json"
    cached = cached_ceilings() / name
    for path in (SHIPPED / name, cached):
        if (found := _read(path, stamp)) is not None:
            return found
    made = ceiling(context)
    with suppress(OSError):  # a full or read-only disk costs time, and nothing else
        keep(made, stamp, cached)
    return made


def cached_ceilings() -> Path:
    """Return this user's folder of ceilings."""
    return cache_dir() / "ceilings"


def shelf() -> Path:
    """Return where ceilings are kept that are to last: with the workbench where it is a checkout, else with this user."""
    return SHIPPED if os.access(SHIPPED, os.W_OK) else cached_ceilings()


def keep(made: Judgement, stamp: str, path: Path) -> None:
    """Write a judgement with the stamp of what it depends on; raises `OSError`."""
    write_atomically(path, json.dumps({"stamp": stamp, "judgement": asdict(made)}).encode())


def _read(path: Path, stamp: str) -> Judgement | None:
    try:
        kept = json.loads(path.read_bytes())
        return _judgement(kept["judgement"]) if kept["stamp"] == stamp else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _judgement(data: dict[str, Any]) -> Judgement:
    def interval(found: list[float] | None) -> tuple[float, float] | None:
        return None if found is None else (found[0], found[1])

    panel = tuple(
        PanelVerdict(
            **{**v, "answer": [Answer(a) for a in v["answer"]], "interval": (v["interval"][0], v["interval"][1])}
        )
        for v in data["panel"]
    )
    sets = {k: SetFigure(f["value"], interval(f["interval"]), f["n"]) for k, f in data["sets"].items()}
    intervals = {k: interval(found) for k, found in data["intervals"].items()}
    return Judgement(**{**data, "panel": panel, "sets": sets, "intervals": intervals})
