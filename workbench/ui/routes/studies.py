"""What who runs a study asks: to make one, who has come, its link, its end, its answers and what they come to.

All of it is for the browser that made the study, and for a presenter.
"""

from __future__ import annotations

from typing import Annotated, Any, Protocol, cast

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from workbench.core.errors import NotYours, WorkbenchError
from workbench.core.web.hosts import is_loopback
from workbench.reports.record import title_of
from workbench.study import folder
from workbench.study.analyse import analyse
from workbench.study.design import Design, Task
from workbench.study.export import as_csv, as_json
from workbench.study.make import make
from workbench.study.qr import qr_svg
from workbench.study.readable import tally_of
from workbench.study.session import Studies, Study
from workbench.ui.routes.services import NO_STORE, Number, Services, download, picture, services_of
from workbench.ui.visitors import visitor_of

MOST = 200  # studies and runs that are listed
router = APIRouter(prefix="/wb/studies")


class DeskServices(Services, Protocol):
    """What lies behind the desk of who runs a study."""

    studies: Studies

    def owns(self, owner: str, request: Request) -> bool: ...


async def services(request: Request) -> DeskServices:
    return cast(DeskServices, await services_of(request))


Desk = Annotated[DeskServices, Depends(services)]


def study_of(study: str, request: Request, desk: Desk) -> Study:
    """Return a study that is for who asks to run; raises `NotYours`, `StoreError`."""
    opened = desk.studies[study]
    if not desk.owns(opened.folder.owner, request):
        raise NotYours("This study belongs to somebody else; its link is for you to answer.")
    return opened


Mine = Annotated[Study, Depends(study_of)]


class NewStudy(BaseModel):
    """What a new study is to be, as far as the page sets it."""

    runs: list[str] = Field(min_length=1, max_length=12)
    task: Task = Task.SAME
    title: str = Field("", max_length=80)
    seed: int = Field(0, ge=0, le=2**31 - 1)
    trials: int = 24


@router.get("")
def listed(request: Request, desk: Desk) -> Response:
    """Return the studies of who asks, the newest first, and the runs that a new one can be made of."""
    mine = [each for each in folder.studies(desk.store.root) if desk.owns(each.owner, request)][:MOST]
    found = [{"id": each.id, "title": each.title, "task": each.design.task.value} for each in mine]
    tasks = [{"key": task.value, "title": task.label} for task in Task]
    return JSONResponse({"studies": found, "runs": offered(desk), "tasks": tasks}, headers=NO_STORE)


def offered(desk: DeskServices) -> list[dict[str, Any]]:
    """Return the runs that ended with something to judge, the newest first."""
    found = []
    for summary in desk.store.list(MOST):
        try:
            ended = summary.state.ended and desk.store.folder(summary.id).has_result()
        except WorkbenchError:
            continue
        if ended:
            named = summary.name or title_of(vars(summary))
            found.append({"id": summary.id, "title": named, "scenario": summary.scenario, "count": summary.candidates})
    return found


@router.post("")
def new(asked: NewStudy, request: Request, desk: Desk) -> Response:
    scenario = desk.store.folder(asked.runs[0]).config().scenario
    design = Design.from_json({"scenario": scenario, **asked.model_dump()})
    made = make(desk.store, design, owner=visitor_of(request).owner)
    return JSONResponse({"id": made.id}, headers=NO_STORE)


def link_of(study: Study, request: Request) -> str:
    return f"{request.base_url}study/{study.id}"


@router.get("/{study}")
def tally(opened: Mine, request: Request) -> Response:
    """Return who came and how far they are, and the link; nothing of what was answered."""
    alone = is_loopback(request.base_url.hostname or "")
    facts = {"link": link_of(opened, request), "alone": alone, "rule": opened.design.rule.sentence()}
    return JSONResponse({**tally_of(opened), **facts, "length": opened.length}, headers=NO_STORE)


@router.get("/{study}/qr.svg")
def qr(opened: Mine, request: Request) -> Response:
    return picture(qr_svg(link_of(opened, request)), "image/svg+xml")


@router.post("/{study}/end")
def end(opened: Mine) -> Response:
    opened.answers.end()
    return JSONResponse(tally_of(opened), headers=NO_STORE)


@router.delete("/{study}/raters/{rater}")
def delete_rater(rater: str, opened: Mine) -> Response:
    return JSONResponse({"answers": opened.answers.delete(rater)}, headers=NO_STORE)


@router.get("/{study}/findings.json")
def findings(opened: Mine) -> Response:
    return JSONResponse({**analyse(opened), "shown": shown_pictures(opened)}, headers=NO_STORE)


def shown_pictures(study: Study) -> dict[str, list[int]]:
    """Return for each run the numbers of its pictures, in the run's order."""
    found: dict[str, dict[int, int]] = {}
    for stimulus in study.stimuli:
        for run, i, number in zip(stimulus.runs, stimulus.candidates, stimulus.pictures, strict=True):
            if i >= 0:
                found.setdefault(run, {})[i] = number
    return {run: [numbers[i] for i in sorted(numbers)] for run, numbers in found.items()}


@router.get("/{study}/pictures/{number}.png")
def shown(number: Number, opened: Mine) -> Response:
    return picture(opened.folder.picture(number), "image/png")


@router.get("/{study}/answers.csv")
def answers_csv(opened: Mine) -> Response:
    return download(as_csv(opened), "text/csv; charset=utf-8", f"study-{opened.id}.csv")


@router.get("/{study}/answers.json")
def answers_json(opened: Mine) -> Response:
    return download(as_json(opened), "application/json", f"study-{opened.id}.json")
