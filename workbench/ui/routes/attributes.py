"""What the Attributes tab asks: what can be attacked, to attack it, what has come of it so far, and what privacy costs."""

from __future__ import annotations

from typing import Annotated, Any, Protocol, cast

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from workbench.core.errors import StoreError, UsageError, WorkbenchError
from workbench.core.records import RunConfig
from workbench.engine.presets import default_config
from workbench.engine.tables import JUDGEMENT
from workbench.runs.run_folder import RunFolder
from workbench.tabular.attacks import INFERENCES
from workbench.tabular.fitting import fit_problem
from workbench.tabular.inquiry import scenario_now
from workbench.tabular.models import MODELS
from workbench.tabular.privacy.tradeoff import tradeoff
from workbench.tabular.reading import MOST_BYTES
from workbench.tabular.scenarios import TABLES, TableScenario, is_table
from workbench.tabular.scenarios.base import OWN
from workbench.tabular.scenarios.own import own_tables
from workbench.tabular.training import protection_problem
from workbench.ui.routes.services import NO_STORE, Services, services_of

router = APIRouter(prefix="/wb/attributes")

LONGEST = 200  # characters of a name that is asked for


class Starting(Services, Protocol):
    """What lies behind the tab: who asks may start runs."""

    def submit(self, config: RunConfig, request: Request, again: str = "") -> str: ...


async def starting_of(request: Request) -> Starting:
    return cast(Starting, await services_of(request))


Given = Annotated[Starting, Depends(starting_of)]
Name = Annotated[str, Query(max_length=LONGEST)]


class ExperimentAsked(BaseModel):
    """One attribute inference as the form has it; `epsilon` None for no privacy."""

    scenario: str = Field(max_length=LONGEST)
    attack: str = Field(max_length=LONGEST)
    target: str = Field(max_length=LONGEST)
    sensitive: str = Field("", max_length=LONGEST)
    unknown: str = Field("", max_length=2000)
    records: int = 5000
    seed: int = 0
    epsilon: float | None = None


@router.get("/options.json")
def options(scenario: Name = "") -> Response:
    """Return every scenario of tables, and of one of them what may be attacked, how, and what does not fit."""
    keys = [*TABLES.keys(), *(OWN + name for name in own_tables())]
    if scenario and scenario not in keys:
        raise UsageError("There is no such table here.")
    chosen = scenario or keys[0]
    titles = [{"key": k, "title": TABLES.entry(k).title if k in TABLES else k} for k in keys]
    found = {"scenarios": titles, "chosen": chosen, "most_bytes": MOST_BYTES, **described(chosen)}
    return JSONResponse(found, headers=NO_STORE)


def described(key: str) -> dict[str, Any]:
    """Return what may be done with a scenario, or why nothing may."""
    try:
        place = scenario_now(key)
        records = place.records
    except WorkbenchError as error:
        return {"problem": str(error)}
    columns = [c.name for c in records.private.columns if c.name != place.response.name]
    choices = [c.name for c in records.private.columns if not c.is_number and c.name != place.response.name]
    return {
        "problem": "",
        "summary": getattr(place, "summary", ""),
        "source": records.source,
        "synthetic": records.synthetic,
        "notes": list(records.notes),
        "records": len(records.private),
        "response": place.response.name,
        "unit": place.response.unit,
        "columns": columns,
        "sensitive": [*place.sensitive, *(c for c in choices if c not in place.sensitive)],
        "target": place.default_target,
        "attack": place.default_attack,
        "targets": [target_said(e.key, place) for e in MODELS],
        "attacks": [
            {
                "key": e.key,
                "title": e.title,
                "access": e.info.access.label if e.info.access else "Baseline",
                "paper": e.info.paper,
                "summary": e.info.summary,
                "problems": {m.key: fit_problem(e.info, m.key, place) or "" for m in MODELS},
            }
            for e in INFERENCES
        ],
        "dosing": key == "warfarin",
    }


def target_said(key: str, place: TableScenario) -> dict[str, Any]:
    """Return a target as the form shows it, with why it cannot be trained privately; "" where it can."""
    columns = place.records.private.columns
    title = MODELS.entry(key).title
    return {"key": key, "title": title, "private": protection_problem(key, place.response, columns) or ""}


@router.post("/runs")
def start(asked: ExperimentAsked, request: Request, services: Given) -> Response:
    """Queue an attribute inference; returns its id."""
    if not is_table(asked.scenario):
        raise UsageError("There is no such table here.")
    knobs = {"records": asked.records, "sensitive": asked.sensitive, "unknown": asked.unknown}
    config = default_config(
        asked.scenario,
        asked.attack,
        target=asked.target,
        knobs=knobs,
        seed=asked.seed,
        classes=list(range(12)),
        defense="none" if asked.epsilon is None else f"dp(epsilon={asked.epsilon:g})",
    )
    return JSONResponse({"run": services.submit(config, request)}, headers=NO_STORE)


@router.get("/runs/{run}.json")
def progress(run: str, services: Given) -> Response:
    """Return what has come of a run so far: its scene, every frame's posteriors, and the judgement once it is there."""
    folder = services.store.folder(run)
    manifest = folder.manifest()
    if not is_table(manifest["config"]["scenario"]):
        raise UsageError("This run is no attribute inference. Open it in the tab Invert.")
    found = {
        "run": run,
        "state": manifest["state"],
        "reason": manifest.get("reason", ""),
        "config": manifest["config"],
        "position": services.scheduler.position(run) if manifest["state"] == "queued" else None,
        "queries": manifest.get("queries"),
        "scene": folder.scene(),
        "frames": list(frames_of(folder)),
        "judgement": folder.read_json(JUDGEMENT),
    }
    return JSONResponse(found, headers=NO_STORE)


def frames_of(folder: RunFolder) -> list[dict[str, Any]]:
    """Return every recorded frame's posteriors (W, V) with what was asked last."""
    notes = {int(n): said for n, _, said in (line.split(",", 2) for line in folder.notes().splitlines())}
    steps: dict[int, tuple[int, int]] = {}
    for line in folder.curves().splitlines()[1:]:
        frame, at, _, asked = line.split(",")[:4]
        steps[int(frame)] = (int(at), int(asked))
    found: list[dict[str, Any]] = []
    said = ""
    for number in folder.frames():
        said = notes.get(number, said)
        try:
            held = folder.tensors(number)
        except StoreError:  # thinned away between the look and the read
            continue
        step, queries = steps.get(number, (0, 0))
        if found and found[-1]["step"] == step:  # the last frame is written once more as the result
            continue
        shares = [[round(v, 4) for v in row] for row in held["shares"].tolist()]
        found.append(
            {"step": step, "queries": queries, "note": said, "asked": held["asked"].tolist(), "shares": shares}
        )
    return found


@router.get("/privacy.json")
def privacy(sensitive: Name = "") -> Response:
    """Return what the warfarin dosing equation leaks and costs by its privacy budget; a first look takes seconds."""
    return JSONResponse(tradeoff(sensitive), headers=NO_STORE)
