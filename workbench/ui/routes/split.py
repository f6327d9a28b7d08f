"""What the Split tab asks: every layer at which a target can be cut, with what came out of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from workbench.analysis.split_layers import described, first_layer, layered, newest_of
from workbench.ui.routes.services import NO_STORE, Given

router = APIRouter(prefix="/wb/split")
Word = Annotated[str, Query(max_length=100)]


@router.get("/layers.json")
def layers(scenario: Word, attack: Word, target: Word, services: Given, defense: Word = "none") -> Response:
    """Return the layers from the image down, and at which one to begin; 400 with a sentence where there is nothing to cut."""
    cuts = layered(scenario, attack, target, defense)
    found = newest_of(services.store, cuts)
    told = [described(cut, found.get(cut.name)) for cut, _ in cuts]
    return JSONResponse({"layers": told, "first": first_layer(attack)}, headers=NO_STORE)
