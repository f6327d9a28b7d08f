"""What the Judge tab asks of a run: each judge's word on each picture, and the private photographs nearest to it."""

from __future__ import annotations

import threading
from functools import lru_cache

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from workbench.analysis.judged_run import judged_run, names_of
from workbench.analysis.nearest_private import PIXELS, Nearest, PrivateSearch
from workbench.runs.contact_sheet import SheetLayout, webp
from workbench.runs.run_folder import RunFolder
from workbench.scenarios import SCENARIOS
from workbench.ui.routes.services import NO_STORE, Given, nothing_yet, picture, problem

router = APIRouter(prefix="/wb/runs/{run}")
# One search at a time of either sort: pixels need not wait for networks.
_searching = {False: threading.Lock(), True: threading.Lock()}


@lru_cache(maxsize=2)
def search_of(scenario: str) -> PrivateSearch:
    return PrivateSearch(SCENARIOS[scenario]())


@lru_cache(maxsize=16)
def searched(folder: RunFolder, changed: int, judges: bool) -> list[Nearest]:
    """Return the nearest photographs of a run's result, kept as long as its judgement is the same."""
    config, judged = folder.config(), folder.judgement() or {}
    keys = {said["key"] for said in judged.get("panel") or []} if judges else set()
    return search_of(config.scenario).nearest(folder.result()["images"].float(), keys)


def nearest_of(folder: RunFolder, judges: bool) -> list[Nearest]:
    """Return the nearest photographs of a run's result; [] where it has no pictures or was not judged.

    Args:
        judges: whether every judge searches too, which may take a while; pixels alone are compared at once.
    """
    judged = folder.path / "judgement.json"
    if not judged.is_file() or not folder.has_result() or "images" not in folder.result():
        return []
    with _searching[judges]:
        return searched(folder, judged.stat().st_mtime_ns, judges)


@router.get("/judged.json")
def judged(run: str, services: Given) -> Response:
    found = judged_run(services.store.folder(run))
    return nothing_yet() if found is None else JSONResponse(found, headers=NO_STORE)


@router.get("/neighbours.json")
def neighbours(run: str, services: Given, judges: bool = True) -> Response:
    folder = services.store.folder(run)
    names, found = names_of(folder.config().scenario), nearest_of(folder, judges)
    told = [
        {
            "key": one.key,
            "title": one.title,
            "classes": one.labels.tolist(),
            "names": [names[c] for c in one.labels.tolist()],
            "distance": [round(d, 4) for d in one.distance.tolist()],
        }
        for one in found
    ]
    return JSONResponse({"run": run, "by": told}, headers=NO_STORE)


@router.get("/neighbours/{by}.webp")
def sheet(run: str, by: str, services: Given) -> Response:
    """Return the nearest photographs by one judge, on the grid of the run's own sheets."""
    folder = services.store.folder(run)
    one = next((one for one in nearest_of(folder, by != PIXELS) if one.key == by), None)
    if one is None:
        return problem(f"Nothing was searched by '{by[:40]}'.")
    images = search_of(folder.config().scenario).known.images[one.index]
    n, c, h, w = images.shape
    return picture(webp(images, SheetLayout.of(n, (c, h, w))))
