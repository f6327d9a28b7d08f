"""The web server: Gradio's page, and routes of our own for pictures, downloads and static files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import plotly
from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse

from workbench.core.errors import UsageError, WorkbenchError
from workbench.core.paths import ASSETS
from workbench.grids.base import GRIDS, shipped
from workbench.reports import pictures as exports
from workbench.runs.run_folder import RunFolder
from workbench.ui import theme
from workbench.ui.page import HEAD, build
from workbench.ui.routes.assets import add_asset_routes
from workbench.ui.routes.latent import add_latent_routes
from workbench.ui.routes.priors import add_prior_routes
from workbench.ui.routes.restore import add_restore_route
from workbench.ui.routes.trainings import add_training_routes
from workbench.ui.shell import App

CSP = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; media-src 'self' blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; frame-ancestors 'self'"
)
HEADERS = {"Content-Security-Policy": CSP, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}
PRIVATE = {"Cache-Control": "no-store"}
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"


def picture(data: bytes, kind: str = "image/webp", **headers: str) -> Response:
    return Response(data, media_type=kind, headers={**PRIVATE, **headers})


def download(data: bytes, kind: str, name: str) -> Response:
    return picture(data, kind, **{"Content-Disposition": f'attachment; filename="{name}"'})


def file_of(folder: RunFolder, name: str) -> Response:
    path = folder.path / name
    if not path.is_file():
        return JSONResponse({"error": f"Run {folder.id} has no {name}."}, 404, PRIVATE)
    return picture(path.read_bytes())


def nearest_frame(folder: RunFolder, frame: int) -> int:
    """Return the newest recorded frame that is not after `frame`, or the first one."""
    if (folder.path / "frames" / f"{frame:06d}.webp").is_file():
        return frame
    frames = folder.frames() or [exports.last_frame(folder)]
    return max((n for n in frames if n <= frame), default=frames[0])


def add_routes(server: FastAPI, app: App) -> None:
    """Add what the page asks for besides Gradio; no path ever comes from the client."""
    store, catalog = app.store, app.catalog

    @server.exception_handler(WorkbenchError)
    def refuse(request: Request, error: WorkbenchError) -> Response:
        return JSONResponse({"error": str(error)}, 400 if isinstance(error, UsageError) else 404, PRIVATE)

    @server.get("/wb/plotly.min.js")
    def plots() -> Response:
        return FileResponse(PLOTLY, media_type="text/javascript", headers={"Cache-Control": "public, max-age=86400"})

    @server.get("/wb/tables/{key}/{name}")
    def shipped_sheet(key: str, name: str) -> Response:
        if key not in GRIDS or name not in {record.get("sheet") for record in shipped(key)}:
            return JSONResponse({"error": "There is no such file."}, 404)
        return FileResponse(ASSETS / "tables" / key / name, headers={"Cache-Control": "no-cache"})

    @server.get("/wb/status")
    def status() -> dict[str, Any]:
        return app.scheduler.status()

    @server.get("/wb/runs/{run}/frames.json")
    def frames(run: str) -> Response:
        return JSONResponse(store.folder(run).frames(), headers=PRIVATE)

    @server.get("/wb/runs/{run}/frames/latest.webp")
    def newest(run: str) -> Response:
        folder = store.folder(run)
        if (last := folder.latest()) is None:
            return Response(status_code=204, headers=PRIVATE)  # nothing is wrong; there is no picture yet
        return picture(folder.sheet(last))

    @server.get("/wb/runs/{run}/frames/{frame}.webp")
    def frame(run: str, frame: int) -> Response:
        folder = store.folder(run)
        found = nearest_frame(folder, frame)
        return picture(folder.sheet(found), **{"X-Frame": str(found)})

    @server.get("/wb/runs/{run}/truth.webp")
    def truth(run: str) -> Response:
        return file_of(store.folder(run), "truth.webp")

    @server.get("/wb/runs/{run}/nearest.webp")
    def nearest(run: str) -> Response:
        return file_of(store.folder(run), "nearest.webp")

    @server.get("/wb/runs/{run}/sheet.png")
    def sheet(run: str) -> Response:
        return download(exports.contact_sheet(store.folder(run)), "image/png", f"{run}.png")

    @server.get("/wb/runs/{run}/frames.gif")
    def gif(run: str) -> Response:
        return download(exports.moving(store.folder(run)), "image/gif", f"{run}.gif")

    @server.get("/wb/runs/{run}/run.json")
    def manifest(run: str) -> Response:
        folder = store.folder(run)
        return download((folder.path / "run.json").read_bytes(), "application/json", f"{run}.json")

    @server.get("/wb/runs/{run}/result.safetensors")
    def result(run: str) -> Response:
        folder = store.folder(run)
        if not folder.has_result():
            return JSONResponse({"error": f"Run {run} has no result yet."}, 404, PRIVATE)
        return download(
            (folder.path / "result.safetensors").read_bytes(), "application/octet-stream", f"{run}.safetensors"
        )

    @server.get("/wb/scenarios/{scenario}/classes.webp")
    def classes(scenario: str) -> Response:
        return picture(catalog.class_sheet(scenario)[0])

    @server.get("/wb/scenarios/{scenario}/private/{c}.webp")
    def private(scenario: str, c: int) -> Response:
        return picture(catalog.private_strip(scenario, c))

    @server.get("/wb/scenarios/{scenario}/priors/{prior}.webp")
    def samples(scenario: str, prior: str) -> Response:
        return picture(catalog.prior_samples(scenario, prior))


def secured(server: FastAPI) -> None:
    """Send the headers that keep the page from fetching or being framed by anything else."""

    @server.middleware("http")
    async def headers(request: Request, answer: Callable[[Request], Any]) -> Response:
        response = await answer(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response


def create(app: App, host: str = "127.0.0.1", port: int = 7860) -> FastAPI:
    """Return the whole web application over a started scheduler, which it closes at shutdown."""
    temporary = app.store.root / ".gradio"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    os.environ["GRADIO_TEMP_DIR"] = str(temporary)

    @asynccontextmanager
    async def life(_: FastAPI) -> Any:
        yield
        app.explorer.close()
        app.scheduler.close()

    server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=life)
    secured(server)
    add_routes(server, app)
    add_asset_routes(server)
    add_prior_routes(server, app)
    add_training_routes(server, app)
    add_latent_routes(server, app)
    add_restore_route(server)
    return gr.mount_gradio_app(
        server,
        build(app),
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
