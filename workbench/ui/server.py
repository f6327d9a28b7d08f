"""The web server: Gradio's page, routes of our own for pictures and downloads, and the guards before both."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import gradio as gr
from fastapi import FastAPI

from workbench.core.web.asgi import Application, Message, Receive, Scope, Send
from workbench.core.web.bodies import BodyGuard
from workbench.core.web.hosts import NameGuard, ServedNames, is_loopback
from workbench.ui import theme
from workbench.ui.components.news import News
from workbench.ui.gradio_doors import GradioDoors, event_problem
from workbench.ui.page import HEAD, build
from workbench.ui.routes import (
    attributes,
    catalog,
    data,
    examples,
    federated,
    judging,
    latent,
    live,
    pairs,
    priors,
    rating,
    runs,
    split,
    studies,
    tables,
    trainings,
)
from workbench.ui.routes.assets import add_asset_routes
from workbench.ui.routes.restore import add_restore_route
from workbench.ui.routes.services import Services, serve_from
from workbench.ui.shell import App
from workbench.ui.visitors import VisitorGuard, Visitors

CSP = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; media-src 'self' blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; frame-ancestors 'self'"
)
HEADERS = {"Content-Security-Policy": CSP, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}
EVENT_LIMIT = 2 << 20  # bytes of what the page sends
LIMITS = {"/wb/restore": 8 << 20}  # bytes, where more is taken
STREAMED = frozenset({data.UPLOAD, tables.LOOK, tables.KEEP})  # counted by who takes them
ANSWER_LIMIT = 4 << 10  # bytes of what a rater sends
QUEUE_S = 0.02  # between two looks of Gradio at its queue; its own millisecond takes a fifteenth of a core from a run


class SafetyHeaders:
    """Sends the headers that keep the page from fetching or being framed by anything else."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = list(message.get("headers", []))
                there = {name.lower() for name, _ in sent}
                more = ((name.lower().encode(), value.encode()) for name, value in HEADERS.items())
                message["headers"] = sent + [(name, value) for name, value in more if name not in there]
            await send(message)

        await self.app(scope, receive, answer)


def limit_of(path: str) -> int:
    """Return how many bytes a request to an address may have."""
    return ANSWER_LIMIT if path.startswith("/study/") else LIMITS.get(path, EVENT_LIMIT)


def add_routes(server: FastAPI, services: Services) -> None:
    """Add what the page asks for besides Gradio; no path ever comes from the client."""
    serve_from(server, services)
    server.state.pictures = priors.Pictures()
    server.state.news = News(services)
    add_asset_routes(server)
    add_restore_route(server)
    for part in (
        attributes,
        catalog,
        data,
        examples,
        federated,
        runs,
        live,
        latent,
        judging,
        pairs,
        priors,
        trainings,
        studies,
        tables,
        rating,
        split,
    ):
        server.include_router(part.router)


def add_guards(server: FastAPI, names: ServedNames, visitors: Visitors) -> None:
    """Put before every address what it must pass; the last one added is asked first."""
    server.add_middleware(VisitorGuard, visitors=visitors)
    server.add_middleware(BodyGuard, limit=limit_of, problem=event_problem, streamed=STREAMED)
    server.add_middleware(GradioDoors)
    server.add_middleware(SafetyHeaders)
    server.add_middleware(NameGuard, names=names)


def create(
    app: App,
    host: str = "127.0.0.1",
    port: int = 7860,
    *,
    allow_hosts: Iterable[str] = (),
    presenter_token: str = "",
) -> FastAPI:
    """Return the whole web application over a started scheduler, which it closes at shutdown.

    Args:
        host, port: where it will listen; it answers to the names that this gives it alone.
        allow_hosts: more names, ``NAME`` or ``NAME:PORT``, such as those of a gateway before it.
        presenter_token: what makes who opens ``/?presenter=TOKEN`` a presenter; "" for nobody.

    Raises:
        UsageError: one of `allow_hosts` is no name, or the token is too short.
    """
    allowed = list(allow_hosts)
    names = ServedNames.of(host, port, allowed)
    app.visitors = Visitors(
        app.store.root, token=presenter_token, shared=not is_loopback(host) or not only_loopback(allowed)
    )
    temporary = app.store.root / ".gradio"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    os.environ["GRADIO_TEMP_DIR"] = str(temporary)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        app.explorer.close()
        app.studies.close()
        app.scheduler.close()

    server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=life)
    add_guards(server, names, app.visitors)
    add_routes(server, app)
    page = build(app)
    page._queue.sleep_when_free = QUEUE_S
    return gr.mount_gradio_app(
        server,
        page,
        path="/",
        server_name=host,
        server_port=port,
        theme=theme.build(),
        head=HEAD,
        run_history=False,
        enable_monitoring=False,
        show_error=True,
        footer_links=[],
        ssr_mode=False,
        max_file_size="5mb",
        allowed_paths=[],
        mcp_server=False,
        pwa=False,
        app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
    )


def only_loopback(names: Iterable[str]) -> bool:
    """Return whether these names, ``NAME`` or ``NAME:PORT``, are all of the machine itself, as through a tunnel."""
    return all(is_loopback(host) for host, _ in ServedNames.of("127.0.0.1", 0, names).names)
