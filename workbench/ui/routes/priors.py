"""What the Prior tab asks for: sheets and ways as pictures, neighbours, reach and trainings as JSON."""

from __future__ import annotations

import base64
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from torch import Tensor

from workbench.analysis.background import BackgroundJob
from workbench.analysis.neighbours import FEATURES, PIXELS
from workbench.analysis.prior_explorer import PriorChoice, Reached, SampleIndex, SampleRequest
from workbench.core.errors import UsageError
from workbench.core.records import TrainingConfig
from workbench.runs.contact_sheet import SheetLayout, webp
from workbench.scenarios import SCENARIOS
from workbench.targets import ARCHITECTURES
from workbench.ui.routes.services import NO_STORE, Given, Services, picture
from workbench.ui.routes.trainings import training_told
from workbench.ui.visitors import may_end, visitor_of

PICTURES = 128  # sheets kept, for a room full of people who look at the same one
MEASURES = {
    FEATURES: "L2 in the evaluator's features",
    PIXELS: "root mean square of the images' difference at 16 × 16 pixels",
}

router = APIRouter(prefix="/wb/priors/{scenario}/{prior}")


def chosen_of(scenario: str, prior: str, target: str = "", defense: str = "none") -> PriorChoice:
    """Return the prior that a request names; raises `UnknownName` before any of it becomes part of a file's name."""
    if target:
        ARCHITECTURES.entry(target)
    return PriorChoice(scenario, prior, target or None, defense[:200])


def draw_of(seed: int = 0, share: float = 1.0, label: int = -1) -> SampleRequest:
    """Return the samples that a request names; no label means every class in turn."""
    return SampleRequest(seed, share, None if label < 0 else label)


def point_of(text: str) -> SampleIndex:
    """Return the sample called ``seed.index``; raises `UsageError`."""
    seed, _, index = text.partition(".")
    if not (seed.isascii() and seed.isdigit() and index.isascii() and index.isdigit() and len(text) <= 20):
        raise UsageError(f"'{text[:20]}' names no sample. Write seed.index, such as 0.5.")
    return SampleIndex(int(seed), int(index))


Which = Annotated[PriorChoice, Depends(chosen_of)]
How = Annotated[SampleRequest, Depends(draw_of)]


def row_of(images: Tensor) -> bytes:
    """Return images (n, C, H, W) side by side as WebP."""
    return webp(images, SheetLayout(len(images), len(images), (images.shape[3], images.shape[2])))


def uri(image: Tensor) -> str:
    """Return an image (C, H, W) as a data address."""
    return "data:image/webp;base64," + base64.b64encode(row_of(image[None])).decode()


class Pictures:
    """The newest pictures by what they show, so that what many look at is drawn once."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Any, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Any, make: Callable[[], bytes]) -> bytes:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > PICTURES:
                self._kept.popitem(last=False)
        return made


def standing(job: BackgroundJob) -> dict[str, Any]:
    return {"state": job.state, "share": round(job.share, 3), "text": job.text, "problem": job.problem}


def pictures_of(request: Request) -> Pictures:
    kept: Pictures = request.app.state.pictures
    return kept


Kept = Annotated[Pictures, Depends(pictures_of)]


@router.get("/samples.webp")
def samples(chosen: Which, draw: How, services: Given, kept: Kept) -> Response:
    key = (chosen, chosen.card()["sha256"], draw)
    return picture(kept.get(key, lambda: row_of(services.explorer.samples(chosen, draw))))


@router.get("/between.webp")
def between(chosen: Which, draw: How, a: str, b: str, services: Given, kept: Kept) -> Response:
    ends = point_of(a), point_of(b)
    key = (chosen, chosen.card()["sha256"], draw, ends)
    return picture(kept.get(key, lambda: row_of(services.explorer.between(chosen, *ends, draw))))


@router.get("/nearest.json")
def nearest(chosen: Which, draw: How, point: str, services: Given) -> Response:
    image = services.explorer.one(chosen, point_of(point), draw)
    return JSONResponse({"sample": uri(image), **neighbours(services, chosen.scenario, image)}, headers=NO_STORE)


@router.get("/reach.json")
def reach(chosen: Which, services: Given, request: Request, classes: str = "0-7", wide: bool = False) -> Response:
    job = services.explorer.reach(chosen, SCENARIOS[chosen.scenario]().classes(classes[:200]), wide, start=False)
    if job is None:
        return JSONResponse({"state": "none"}, headers=NO_STORE)
    mine = may_end(visitor_of(request), job)
    return JSONResponse({**standing(job), **shown(chosen.scenario, job.result), "mine": mine}, headers=NO_STORE)


@router.get("/training.json")
def training(chosen: Which, services: Given) -> Response:
    return JSONResponse(training_told(services, training_config(chosen)), headers=NO_STORE)


def neighbours(services: Services, scenario: str, image: Tensor) -> dict[str, Any]:
    """Return the public and the private image that a sample (C, H, W) is nearest to, or how far the search for them is."""
    private, public = services.explorer.pools(scenario)
    point = services.explorer.embed(scenario, image)
    found: dict[str, Any] = {"public": standing(public), "private": standing(private)}
    if public.state == "finished":
        index, distance = public.result.nearest(point)
        found["public"] |= {
            "image": uri(public.result.image(index)),
            "distance": round(distance, 4),
            "of": len(public.result.images),
        }
    if private.state == "finished":
        known = private.result
        index, distance = known.pool.nearest(point)
        name = SCENARIOS[scenario].class_names[known.labels[index]]
        found["private"] |= {
            "image": uri(known.pool.image(index)),
            "distance": round(distance, 4),
            "name": name,
            "of": len(known.labels),
            "part": "training" if index < known.trained else "held out",
        }
        found |= {"usual": round(known.usual, 4), "noun": SCENARIOS[scenario].class_noun}
    return found | {"measure": MEASURES[services.explorer.measure(scenario)]}


def shown(scenario: str, reached: Reached | None) -> dict[str, Any]:
    """Return what a search for private photographs has found so far."""
    if reached is None:
        return {}
    names = SCENARIOS[scenario].class_names
    verdicts = [
        {**v.to_json(), "name": names[v.label], "said": None if v.judged is None else names[v.judged]}
        for v in reached.verdicts
    ]
    return {
        "count": len(reached.wanted),
        "wanted": uri_row(reached.wanted),
        "images": uri_row(reached.images),
        "verdicts": verdicts,
        "seconds": round(reached.seconds, 1),
    }


def uri_row(images: Tensor) -> str:
    """Return images (n, C, H, W) in [0, 1], side by side, as a data URI."""
    return "data:image/webp;base64," + base64.b64encode(row_of(images)).decode()


def training_config(chosen: PriorChoice, *, quality: str = "quick", resume: bool = False) -> TrainingConfig:
    return TrainingConfig("prior", chosen.scenario, chosen.prior, chosen.target, chosen.defense, quality, resume=resume)
