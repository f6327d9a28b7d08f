"""Pictures of what can be chosen, how busy the server is, and files that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import plotly
from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from workbench.core.errors import StoreError
from workbench.core.paths import ASSETS
from workbench.grids.base import GRIDS, shipped
from workbench.ui.routes.services import Given, Number, picture, problem

PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"

router = APIRouter(prefix="/wb")


@router.get("/plotly.min.js")
def plots() -> Response:
    return FileResponse(PLOTLY, media_type="text/javascript", headers={"Cache-Control": "public, max-age=86400"})


@router.get("/tables/{key}/{name}")
def shipped_sheet(key: str, name: str) -> Response:
    if key not in GRIDS or name not in {record.get("sheet") for record in shipped(key)}:
        return problem("There is no such file.")
    return FileResponse(ASSETS / "tables" / key / name, headers={"Cache-Control": "no-cache"})


@router.get("/status")
def status(services: Given, request: Request) -> dict[str, Any]:
    """Return what the queue's `status` says, and whether what is running is for who asks to change."""
    status = services.scheduler.status()
    try:
        mine = status["running"] is not None and services.mine(status["running"], request)
    except StoreError:  # it has ended and been deleted since
        mine = False
    return {**status, "mine": mine}


@router.get("/scenarios/{scenario}/classes.webp")
def classes(scenario: str, services: Given) -> Response:
    return picture(services.catalog.class_sheet(scenario)[0])


@router.get("/scenarios/{scenario}/private/{c}.webp")
def private(scenario: str, c: Number, services: Given) -> Response:
    return picture(services.catalog.private_strip(scenario, c))


@router.get("/scenarios/{scenario}/priors/{prior}.webp")
def samples(scenario: str, prior: str, services: Given) -> Response:
    return picture(services.catalog.prior_samples(scenario, prior))
