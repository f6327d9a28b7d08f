"""Settings out of a file that a person chooses or drops: what is in it is told back, and nothing is kept."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from workbench.core.errors import UsageError
from workbench.engine.restore import MOST_BYTES, restore
from workbench.ui.routes.services import NO_STORE


async def body_of(request: Request) -> bytes:
    """Return what was sent; raises `UsageError` as soon as it is more than any record, whatever its length claims."""
    held = bytearray()
    async for piece in request.stream():
        held += piece
        if len(held) > MOST_BYTES:
            raise UsageError(f"The file is larger than {MOST_BYTES // 2**20} MB; no record of settings is.")
    return bytes(held)


def add_restore_route(server: FastAPI) -> None:
    @server.post("/wb/restore")
    async def settings(request: Request) -> Response:
        restored = restore(await body_of(request))
        return JSONResponse({"config": restored.config.to_json(), "notes": list(restored.notes)}, headers=NO_STORE)
