"""Routes for the page's own scripts, styles and pictures."""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from workbench.core.paths import ASSETS

KINDS = (".js", ".css", ".svg")
MODULES = (
    "live",
    "prior",
    "forms",
    "federated",
    "runs",
    "compare",
    "page",
    "study",
    "judge",
    "lesson",
    "split",
    "attributes",
)  # folders of `assets/`


def files(root: Path = ASSETS) -> dict[str, Path]:
    """Return every file that may be asked for, by its path within `assets/`."""
    folders = [root, *(root / name for name in MODULES)]
    return {p.relative_to(root).as_posix(): p for f in folders for p in sorted(f.glob("*")) if p.suffix in KINDS}


def add_asset_routes(server: FastAPI) -> None:
    """Add the files that are there now; what is asked for is looked up among them and is never a path itself.

    A browser asks each time whether its copy is still the newest, so that modules of two versions never meet.
    """
    known = files()

    @server.get("/wb/assets/{name:path}")
    def asset(name: str, request: Request) -> Response:
        if name not in known:
            return JSONResponse({"error": "There is no such file."}, 404)
        data = known[name].read_bytes()
        tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
        headers = {"Cache-Control": "no-cache", "ETag": tag}
        if request.headers.get("if-none-match", "").removeprefix("W/") == tag:
            return Response(status_code=304, headers=headers)
        kind = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0]
        return Response(data, media_type=kind, headers=headers)
