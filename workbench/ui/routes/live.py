"""What the live view asks: what is new of a run; and what it asks for, to pause, to step, to stop, to turn a knob.

Neither goes through Gradio. A stream for each tab would hold connections, of which a browser has six for all tabs of
one address, and commands would wait behind them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Protocol, cast

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from workbench.ui.components.news import News, Seen
from workbench.ui.routes.services import NO_STORE, Services, services_of

router = APIRouter(prefix="/wb/runs/{run}")


class LiveServices(Services, Protocol):
    """What lies behind the live view: who asks may change what is theirs, and watch everything."""

    def pause(self, run: str, request: Request) -> None: ...
    def resume(self, run: str, request: Request) -> None: ...
    def step(self, run: str, request: Request) -> None: ...
    def stop(self, run: str, request: Request) -> None: ...
    def set_knob(self, run: str, name: str, value: Any, request: Request) -> None: ...


async def live_services_of(request: Request) -> LiveServices:
    return cast(LiveServices, await services_of(request))


async def news_of(request: Request) -> News:
    return cast(News, request.app.state.news)


Live = Annotated[LiveServices, Depends(live_services_of)]


class RunCommand(BaseModel):
    """What is asked of a run; `values` are knobs by name, for "set"."""

    do: Literal["pause", "resume", "step", "stop", "set"]
    values: dict[str, Any] = Field(default_factory=dict, max_length=64)


@router.get("/news")
async def news(
    run: str, request: Request, services: Live, told: Annotated[News, Depends(news_of)], seen: str = "", wait: float = 0
) -> Response:
    found = await told.answer(run, Seen.of(seen), wait)
    if found is None:
        return Response(status_code=204, headers=NO_STORE)
    status = {**found["status"], "mine": services.owns(told.owner(run), request)}
    return JSONResponse({**found, "status": status}, headers=NO_STORE)


@router.post("/commands")
def command(run: str, asked: RunCommand, request: Request, services: Live) -> Response:
    if asked.do == "set":
        for name, value in asked.values.items():
            services.set_knob(run, name, value, request)
    else:
        getattr(services, asked.do)(run, request)
    return Response(status_code=204, headers=NO_STORE)
