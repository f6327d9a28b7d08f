"""What the routes answer from, and what they share in answering; nothing here knows the page."""

from __future__ import annotations

from typing import Annotated, Protocol

from fastapi import Depends, FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from workbench.analysis.prior_explorer import Explorer
from workbench.core.errors import NotYours, UsageError, WorkbenchError
from workbench.runs.store import RunStore
from workbench.ui.catalog import Catalog
from workbench.workers.scheduler import Scheduler

NO_STORE = {"Cache-Control": "no-store"}
MOST = 10**9  # frames, steps, classes or candidates that a number in an address may count


class Services(Protocol):
    """What lies behind the page."""

    store: RunStore
    scheduler: Scheduler
    catalog: Catalog
    explorer: Explorer

    def mine(self, run: str, request: Request) -> bool:
        """Return whether a run or training is for who asks to change; raises `StoreError` if it is not there."""
        ...

    def owns(self, owner: str, request: Request) -> bool:
        """Return whether what belongs to `owner` is for who asks to change."""
        ...


async def services_of(request: Request) -> Services:
    """Return what `serve_from` put there; a coroutine, for FastAPI hands what is none to another thread."""
    services: Services = request.app.state.services
    return services


Given = Annotated[Services, Depends(services_of)]
Number = Annotated[int, Path(ge=0, le=MOST)]
QueryNumber = Annotated[int, Query(ge=0, le=MOST)]


def serve_from(server: FastAPI, services: Services) -> None:
    """Let the server's routes answer from `services`, and tell what is wrong with a request in a sentence."""
    server.state.services = services

    @server.exception_handler(WorkbenchError)
    def refuse(request: Request, error: WorkbenchError) -> Response:
        status = 403 if isinstance(error, NotYours) else 400 if isinstance(error, UsageError) else 404
        return problem(str(error), status)

    @server.exception_handler(RequestValidationError)
    def misread(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return problem(
            f"'{first['loc'][-1]}' in the address is wrong: {first['msg'][:1].lower()}{first['msg'][1:]}.", 400
        )


def problem(sentence: str, status: int = 404) -> Response:
    return JSONResponse({"error": sentence}, status, NO_STORE)


def nothing_yet() -> Response:
    """Return the answer that nothing is wrong, and there is no picture yet."""
    return Response(status_code=204, headers=NO_STORE)


def picture(data: bytes, kind: str = "image/webp", **headers: str) -> Response:
    return Response(data, media_type=kind, headers={**NO_STORE, **headers})


def download(data: bytes, kind: str, name: str) -> Response:
    return picture(data, kind, **{"Content-Disposition": f'attachment; filename="{name}"'})
