"""What is asked of two runs together, and which runs there are to choose from."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from workbench.reports.pairs import pair_of
from workbench.reports.record import title_of
from workbench.ui.routes.services import NO_STORE, Given

router = APIRouter(prefix="/wb/pairs")

OFFERED = 300  # runs to choose from
RunName = Annotated[str, Query(max_length=100)]


@router.get("/runs.json")
def runs(services: Given) -> Response:
    """Return the newest runs, {run, text, scenario}, as a menu offers them."""
    offered = [
        {
            "run": r.id,
            "text": f"{f'{r.name}: ' if r.name else ''}{title_of(vars(r))} · seed {r.seed} · {r.id}",
            "scenario": r.scenario,
        }
        for r in services.store.list(OFFERED)
    ]
    return JSONResponse(offered, headers=NO_STORE)


@router.get("/pair.json")
def pair(a: RunName, b: RunName, services: Given) -> Response:
    found = pair_of(services.store.folder(a), services.store.folder(b))
    return JSONResponse(found, headers=NO_STORE)
