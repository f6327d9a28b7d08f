"""Trainings as the page follows them: whether one is possible, how long it takes, how the newest stands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from workbench.core.records import TrainingConfig
from workbench.core.weights import has_weights
from workbench.defenses.plan import Plan
from workbench.defenses.store import weights_name
from workbench.scenarios import SCENARIOS
from workbench.targets import ARCHITECTURES
from workbench.trainings.estimates import training_estimate
from workbench.trainings.start import resumable, trained_name, training_problems
from workbench.ui.routes.services import NO_STORE, Given, Number, Services, nothing_yet, picture

LINES = 200  # losses sent, at most

router = APIRouter(prefix="/wb")


def target_training(scenario: str, arch: str, defense: str, resume: bool = False) -> TrainingConfig:
    """Return the training that a defended target needs next: of the classifier, or of what goes around its output.

    Raises:
        UnknownName, KnobError, UsageError, Incompatible.
    """
    ARCHITECTURES.entry(arch)
    SCENARIOS.entry(scenario)
    plan = Plan.of(defense)
    inside = str(replace(plan, output=None))
    learns = plan.output is not None and plan.output.defense.learns
    around = learns and has_weights(weights_name(scenario, arch, inside))
    return TrainingConfig("target", scenario, target=arch, defense=str(plan) if around else inside, resume=resume)


def training_told(services: Services, config: TrainingConfig) -> dict[str, Any]:
    """Return whether something can be trained, how long that takes, and how its newest training stands."""
    name = trained_name(config)
    device = services.scheduler.status()["device"].get("type", "cpu")
    expected = training_estimate(config, device)
    told = {
        "name": name,
        "problems": training_problems(config),
        "expected": expected.seconds,
        "basis": expected.basis,
        "device": device,
        "trained": has_weights(name),
        "resumable": resumable(config),
        "training": None,
    }
    for summary in services.store.list(200, kind="training"):
        if summary.scenario == config.scenario:
            folder = services.store.training(summary.id)
            if trained_name(folder.config()) == name:
                return told | {"training": training_row(services, summary.id)}
    return told


def training_row(services: Services, run: str) -> dict[str, Any]:
    """Return how one training stands."""
    folder = services.store.training(run)
    manifest, state = folder.manifest(), folder.state()
    position = None if state.ended else services.scheduler.position(run)
    lines = folder.losses().splitlines()
    heads = [line for line in lines if line.startswith("step")]
    points = [line for line in lines if not line.startswith("step")]
    stride = -(-len(points) // LINES) or 1
    return {
        "id": run,
        "state": state.value,
        "ended": state.ended,
        "reason": manifest["reason"],
        "position": position,
        "wait": services.scheduler.eta(run) if position else None,
        "expected": manifest.get("expected"),
        "unit": "step" if manifest["config"]["what"] == "prior" else "epoch",
        "quality": manifest["config"]["quality"],
        "progress": folder.progress(),
        "columns": heads[-1].split(",") if heads else [],
        "losses": points[::-1][::stride][::-1],
        "sampled": folder.sampled(),
    }


@router.get("/targets/{scenario}/{arch}/training.json")
def target(scenario: str, arch: str, services: Given, defense: str = "none") -> Response:
    return JSONResponse(training_told(services, target_training(scenario, arch, defense[:200])), headers=NO_STORE)


@router.get("/trainings/{run}/samples/latest.webp")
def newest(run: str, services: Given) -> Response:
    folder = services.store.training(run)
    steps = folder.sampled()
    return picture(folder.samples(steps[-1])) if steps else nothing_yet()


@router.get("/trainings/{run}/samples/{step}.webp")
def trained(run: str, step: Number, services: Given) -> Response:
    return picture(services.store.training(run).samples(step))
