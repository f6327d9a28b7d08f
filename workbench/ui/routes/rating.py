"""A rater's page: by a link, without an account, on a phone. Nothing in an address says what a picture is.

Who comes is known by a cookie of this study alone, signed with the store's secret, so that a reload goes on where it was.
"""

from __future__ import annotations

from typing import Annotated, Any, Protocol, cast

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, Field

from workbench.core.errors import StoreError
from workbench.core.paths import ASSETS
from workbench.study.answers import Rater
from workbench.study.session import Studies, Study
from workbench.ui.routes.services import NO_STORE, Number, Services, services_of
from workbench.ui.visitors import Visitors, cookies_of

DAYS = 30
router = APIRouter(prefix="/study/{study}")


class RatingServices(Services, Protocol):
    """What lies behind a study."""

    studies: Studies
    visitors: Visitors


async def services(request: Request) -> RatingServices:
    return cast(RatingServices, await services_of(request))


Rating = Annotated[RatingServices, Depends(services)]


class Pressed(BaseModel):
    """An answer: which trial, what was pressed, and how many ms after the pictures came."""

    trial: int = Field(ge=0, le=10_000)
    pressed: str = Field(max_length=20)
    rt: float


def cookie_of(study: Study) -> str:
    return f"wb-rater-{study.id}"


def rater_of(study: Study, request: Request, visitors: Visitors) -> Rater | None:
    """Return who asks; None for who has not joined, whose cookie is forged, or who was deleted."""
    key, _, signature = cookies_of(request.scope).get(cookie_of(study), "").partition(".")
    return study.answers.rater(key) if visitors.is_rater(study.id, key, signature) else None


def known(study: Study, request: Request, visitors: Visitors) -> Rater:
    """Return who asks; raises `StoreError` for who is not among the raters."""
    if (rater := rater_of(study, request, visitors)) is None:
        raise StoreError("You have not begun, or your answers were deleted. Reload the page to begin.")
    return rater


def told(study: Study, rater: Rater | None) -> dict[str, Any]:
    """Return what the page is told: the question, and where its rater is; nothing of what any picture is."""
    shared = {
        "joined": rater is not None,
        "task": study.design.task.value,
        "question": study.question(),
        "noun": study.folder.record["noun"],
        "least_ms": study.design.least_ms,
        "length": study.length,
    }
    if rater is None:
        return {**shared, "ended": study.answers.ended() is not None}
    return {**shared, **study.progress(rater), "rater": rater.id, "mark": rater.id[-6:]}


@router.get("")
def page(study: str, at: Rating) -> Response:
    try:
        at.studies[study]
    except StoreError as error:
        return HTMLResponse(f"<!doctype html><title>No study</title><p>{error}</p>", 404, NO_STORE)
    return HTMLResponse((ASSETS / "study" / "rate.html").read_text(), headers=NO_STORE)


@router.get("/state")
def state(study: str, request: Request, at: Rating) -> Response:
    opened = at.studies[study]
    return JSONResponse(told(opened, rater_of(opened, request, at.visitors)), headers=NO_STORE)


@router.post("/join")
def join(study: str, request: Request, at: Rating) -> Response:
    """Begin, or go on where this browser was."""
    opened = at.studies[study]
    rater = rater_of(opened, request, at.visitors) or opened.join()
    answer = JSONResponse(told(opened, rater), headers=NO_STORE)
    answer.set_cookie(
        cookie_of(opened),
        f"{rater.id}.{at.visitors.rater_pass(opened.id, rater.id)}",
        max_age=DAYS * 86400,
        path=f"/study/{opened.id}",
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return answer


@router.post("/answers")
def answers(study: str, said: Pressed, request: Request, at: Rating) -> Response:
    """Keep an answer: once this is answered, it is on the disk."""
    opened = at.studies[study]
    rater = known(opened, request, at.visitors)
    opened.answer(rater, said.trial, said.pressed, said.rt)
    return JSONResponse(opened.progress(rater), headers=NO_STORE)


@router.post("/undo")
def undo(study: str, request: Request, at: Rating) -> Response:
    opened = at.studies[study]
    rater = known(opened, request, at.visitors)
    opened.answers.undo(rater.id)
    return JSONResponse(opened.progress(rater), headers=NO_STORE)


@router.get("/pictures/{trial}/{slot}.png")
def picture(study: str, trial: Number, slot: Number, request: Request, at: Rating) -> Response:
    """Return what stands in a place of the rater's own trial; another rater has another picture there."""
    opened = at.studies[study]
    held = opened.picture(known(opened, request, at.visitors), trial, slot)
    return Response(held, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})
