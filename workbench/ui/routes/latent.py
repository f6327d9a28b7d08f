"""What the latent plot asks for: the cloud around the candidates at a frame, and the landscape of one of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.concurrency import iterate_in_threadpool

from workbench.analysis.landscape import Landscape, landscape_of
from workbench.core.errors import WorkbenchError
from workbench.engine.model_cache import ModelCache
from workbench.runs.run_folder import RunFolder
from workbench.ui.routes.services import NO_STORE, Given, Number, QueryNumber, nothing_yet

SECONDS = 20.0  # of one landscape
_one_at_a_time = threading.Lock()
router = APIRouter(prefix="/wb/runs/{run}")


@lru_cache(maxsize=1)
def laboratory() -> ModelCache:
    """Return the web process's own models: the worker's are busy, and a landscape must not hold it up."""
    return ModelCache("cpu")


def cloud_of(folder: RunFolder, frame: int) -> dict[str, list[Any]] | None:
    """Return what was tried around the candidates at a frame, in the plane: points and their candidates; None if nothing."""
    held = folder.tensors(frame)
    if "cloud" not in held:
        return None
    return {
        "points": [[round(v, 3) for v in p] for p in held["cloud"].float().tolist()],
        "of": held["cloud_of"].long().tolist(),
    }


def described(map_: Landscape) -> str:
    return (
        json.dumps(
            {
                "extent": [map_.extent.left, map_.extent.right, map_.extent.low, map_.extent.high],
                "confidence": [[round(v, 3) for v in row] for row in map_.confidence.tolist()],
                "asked": map_.asked,
                "total": map_.total,
            }
        )
        + "\n"
    )


def maps(folder: RunFolder, candidate: int, frame: int | None) -> Iterator[str]:
    """Yield a line of JSON for each refinement; a problem as {"problem": ...}. One landscape is made at a time."""
    if not _one_at_a_time.acquire(timeout=2 * SECONDS):
        yield json.dumps({"problem": "Another landscape is being made. Try again in a moment."}) + "\n"
        return
    try:
        for map_ in landscape_of(folder, candidate, laboratory(), frame=frame, seconds=SECONDS):
            yield described(map_)
    except WorkbenchError as error:
        yield json.dumps({"problem": str(error)}) + "\n"
    finally:
        _one_at_a_time.release()


@router.get("/clouds/{frame}.json")
def cloud(run: str, frame: Number, services: Given) -> Response:
    points = cloud_of(services.store.folder(run), frame)
    return nothing_yet() if points is None else JSONResponse(points, headers=NO_STORE)


@router.get("/landscape/{candidate}.jsonl")
def landscape(run: str, candidate: Number, services: Given, frame: QueryNumber | None = None) -> Response:
    lines = maps(services.store.folder(run), candidate, frame)
    return StreamingResponse(iterate_in_threadpool(lines), media_type="application/x-ndjson", headers=NO_STORE)
