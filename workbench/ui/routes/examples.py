"""Recorded examples of the first page's cards, each as one answer."""

from __future__ import annotations

import hashlib
import json
from functools import cache

from fastapi import APIRouter, Request, Response

from workbench.engine.examples import example_of
from workbench.engine.presets import preset_of
from workbench.ui.components.news import still
from workbench.ui.routes.services import problem

router = APIRouter(prefix="/wb/examples")


@cache
def answer(card: str) -> bytes | None:
    """Return what the page is told of a card's example; None where there is none. Assets stay as they are.

    Raises:
        UnknownName: there is no such card.
    """
    found = example_of(preset_of(card), still)
    return None if found is None else json.dumps(found).encode()


@router.get("/{card}.json")
def example(card: str, request: Request) -> Response:
    """Answer with an example; what is asked for is looked up among the cards and is never a path itself."""
    data = answer(card)
    if data is None:
        return problem(f"There is no recorded example of the card '{card}'.")
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {"Cache-Control": "no-cache", "ETag": tag}
    if request.headers.get("if-none-match", "").removeprefix("W/") == tag:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type="application/json", headers=headers)
