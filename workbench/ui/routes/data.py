"""A zip archive of pictures that the page sends: written into the data folder as it comes, or not at all."""

from __future__ import annotations

import os
import re
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from workbench.core.errors import NotYours, UsageError
from workbench.core.paths import data_dir
from workbench.ui.routes.services import NO_STORE, Given

UPLOAD = "/wb/data/upload"
MOST_BYTES = 2 << 30  # of one archive; larger ones are copied into the data folder by hand
MAGIC = b"PK"
KIND = "application/zip"  # a page of another site may not send it without asking first
NAME = re.compile(r"[^A-Za-z0-9_-]+")

router = APIRouter(prefix="/wb/data")


def name_of(said: str) -> str:
    """Return how an archive is called here, by what the page calls it: letters, digits, '-' and '_' alone."""
    stem = said.rsplit("/", 1)[-1].rsplit("\\", 1)[-1].removesuffix(".zip")
    return NAME.sub("-", stem).strip("-")[:40] or "pictures"


def free_place(name: str) -> Path:
    """Return where an archive of this name may lie without replacing another."""
    places = (data_dir() / f"{name}{f'-{n}' if n else ''}.zip" for n in range(1000))
    return next(place for place in places if not place.exists())


async def kept(request: Request, most: int = MOST_BYTES) -> Path:
    """Write what is sent into the data folder; returns where. What breaks off or is refused leaves nothing behind.

    Raises:
        UsageError: it is no zip archive, or larger than `most` bytes.
    """
    data_dir().mkdir(parents=True, exist_ok=True)
    making = data_dir() / f".upload-{os.getpid()}-{id(request):x}.tmp"
    size, begins = 0, b""
    try:
        with making.open("xb") as file:
            async for piece in request.stream():
                size += len(piece)
                begins = (begins + piece[: len(MAGIC)])[: len(MAGIC)]
                if not MAGIC.startswith(begins):
                    raise UsageError("This is no zip archive. Pack the folder of pictures into a .zip and send that.")
                if size > most:
                    raise UsageError(
                        f"The archive is larger than {most >> 20:,} MB. Copy it into {data_dir()} by hand and look again."
                    )
                file.write(piece)
        if size < len(MAGIC):
            raise UsageError("The file is empty. Pack the folder of pictures into a .zip and send that.")
        place = free_place(name_of(request.query_params.get("name", "")))
        making.rename(place)
        return place
    finally:
        making.unlink(missing_ok=True)


@router.post("/upload")
async def upload(request: Request, services: Given) -> Response:
    if not services.owns("", request):
        raise NotYours(
            "The data folder is for who runs this server. Open the presenter's link, or run it on your own machine."
        )
    if request.headers.get("content-type") != KIND:
        raise UsageError(f"Send the archive as {KIND}.")
    place = await kept(request)
    return JSONResponse({"name": place.name}, headers=NO_STORE)
