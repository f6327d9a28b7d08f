"""What is asked of one run: its frames, the pictures beside them, and its files to take away."""

from __future__ import annotations

import json

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from workbench.reports import film, pictures
from workbench.reports.html import report_html
from workbench.reports.record import record_of
from workbench.runs.contact_sheet import media_type
from workbench.runs.run_folder import RunFolder
from workbench.ui.routes.services import NO_STORE, Given, Number, download, nothing_yet, picture, problem

router = APIRouter(prefix="/wb/runs/{run}")


def file_of(folder: RunFolder, name: str) -> Response:
    path = folder.path / name
    return picture(path.read_bytes()) if path.is_file() else problem(f"Run {folder.id} has no {name}.")


def nearest_frame(folder: RunFolder, frame: int) -> int:
    """Return the newest recorded frame that is not after `frame`, or the first one."""
    if folder.has_sheet(frame):
        return frame
    frames = folder.frames() or [pictures.last_frame(folder)]
    return max((n for n in frames if n <= frame), default=frames[0])


@router.get("/frames.json")
def frames(run: str, services: Given) -> Response:
    return JSONResponse(services.store.folder(run).frames(), headers=NO_STORE)


@router.get("/frames/latest.jpg")
@router.get("/frames/latest.webp")  # as addresses were before
def newest(run: str, services: Given) -> Response:
    folder = services.store.folder(run)
    last = folder.latest()
    if last is None or not folder.has_sheet(last):  # a table's run has frames and no picture
        return nothing_yet()
    sheet = folder.sheet(last)
    return picture(sheet, media_type(sheet))


@router.get("/frames/{frame}.jpg")
@router.get("/frames/{frame}.webp")
def frame(run: str, frame: Number, services: Given) -> Response:
    folder = services.store.folder(run)
    recorded = nearest_frame(folder, frame)
    sheet = folder.sheet(recorded)
    return picture(sheet, media_type(sheet), **{"X-Frame": str(recorded)})


@router.get("/truth.webp")
def truth(run: str, services: Given) -> Response:
    return file_of(services.store.folder(run), "truth.webp")


@router.get("/nearest.webp")
def nearest(run: str, services: Given) -> Response:
    return file_of(services.store.folder(run), "nearest.webp")


@router.get("/sheet.png")
def sheet(run: str, services: Given) -> Response:
    return download(pictures.contact_sheet(services.store.folder(run)), "image/png", f"{run}.png")


@router.get("/frames.gif")
def gif(run: str, services: Given) -> Response:
    return download(film.gif(services.store.folder(run)), "image/gif", f"{run}.gif")


@router.get("/frames.webm")
def webm(run: str, services: Given) -> Response:
    return download(film.webm(services.store.folder(run)), "video/webm", f"{run}.webm")


@router.get("/report.html")
def report(run: str, services: Given) -> Response:
    return download(report_html(services.store.folder(run)).encode(), "text/html; charset=utf-8", f"{run}.html")


@router.get("/report.json")
def report_json(run: str, services: Given) -> Response:
    said = json.dumps(record_of(services.store.folder(run)), indent=1, allow_nan=False)
    return download(said.encode(), "application/json", f"{run}-report.json")


@router.get("/run.json")
def manifest(run: str, services: Given) -> Response:
    folder = services.store.folder(run)
    return download((folder.path / "run.json").read_bytes(), "application/json", f"{run}.json")


@router.get("/result.safetensors")
def result(run: str, services: Given) -> Response:
    folder = services.store.folder(run)
    if not folder.has_result():
        return problem(f"Run {run} has no result yet.")
    data = (folder.path / "result.safetensors").read_bytes()
    return download(data, "application/octet-stream", f"{run}.safetensors")
