"""A table that somebody brings in the page: looked at first, then kept with what is declared of its columns."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from workbench.core.errors import NotYours, UsageError
from workbench.tabular.reading import ensure_size
from workbench.tabular.scenarios.base import OWN
from workbench.tabular.scenarios.own import Declared, bring, looked_at, own_tables
from workbench.ui.routes.services import NO_STORE, Given, Services

KEEP = "/wb/attributes/tables"
LOOK = f"{KEEP}/look"
KIND = "text/csv"  # a page of another site may not send it without asking first

router = APIRouter()
Word = Annotated[str, Query(max_length=200)]


async def sent(request: Request, services: Services) -> bytes:
    """Return the table that is sent.

    Raises:
        NotYours: who sends it only visits.
        UsageError: it is called something else, or is larger than is read: by what is announced before anything of it is
            taken, and by what came.
    """
    if not services.owns("", request):
        raise NotYours(
            "Tables are kept by who runs this server. Open the presenter's link, or run it on your own machine."
        )
    if request.headers.get("content-type", "").split(";")[0] != KIND:
        raise UsageError(f"Send the table as {KIND}.")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal():
        ensure_size(int(announced))
    found = bytearray()
    async for piece in request.stream():
        found += piece
        ensure_size(len(found))
    return bytes(found)


@router.post(LOOK)
async def look(request: Request, services: Given) -> Response:
    """Return which columns a table has and what each may be; nothing is kept."""
    data = await sent(request, services)
    return JSONResponse(await run_in_threadpool(looked_at, data), headers=NO_STORE)


@router.post(KEEP)
async def keep(request: Request, services: Given, name: Word, sensitive: Word, response: Word) -> Response:
    """Keep a table under a name that is not taken; returns its scenario."""
    data = await sent(request, services)
    if name in own_tables():
        raise UsageError(f"There is a table '{name}' already. Choose another name.")
    await run_in_threadpool(bring, data, name, Declared(sensitive, response))
    return JSONResponse({"scenario": OWN + name}, headers=NO_STORE)
