"""How long a training will take, judged by the cards of those that were."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from typing import Any

import torch
from torch.nn import functional

from workbench.core.records import TrainingConfig
from workbench.core.shapes import Shape
from workbench.core.weights import has_weights, read_card
from workbench.defenses.plan import Part, Plan
from workbench.priors.base import weights_name
from workbench.scenarios import SCENARIOS
from workbench.targets.architectures import Classifier
from workbench.targets.recipes import ClassifierRecipe, recipe_for
from workbench.targets.store import built_as
from workbench.targets.training import warp
from workbench.trainings.start import trained_name

TIMED = 16  # images; enough for a batch's speed, and a second of the slowest network


@dataclass(frozen=True)
class Estimate:
    """Seconds, or None where nothing tells; and a sentence that says what they are judged by."""

    seconds: float | None
    basis: str


def planned_steps(card: dict[str, Any]) -> float:
    """Return the optimiser steps of a card's recipe, or of the card where the recipe does not say."""
    steps = [v for k, v in card.get("recipe", {}).items() if k.endswith("steps") and isinstance(v, (int, float))]
    return sum(steps) or card.get("steps", 0)


def training_estimate(config: TrainingConfig, device: str = "cpu") -> Estimate:
    """Return how long a training will take on a device of this type ("cpu" or "cuda")."""
    if config.what == "federated":
        return Estimate(None, "Its first round will tell.")
    for name, scenario in _kin(config):
        card = read_card(name)
        if card.get("device", device) != device:
            continue
        if config.what == "prior" and card.get("quality", config.quality) != config.quality:
            continue
        seconds = card.get("seconds")
        if not seconds:
            continue
        done, whole = card.get("steps") or 1, planned_steps(card) or card.get("steps") or 1
        size = prod(SCENARIOS[config.scenario].input_shape[1:]) / prod(SCENARIOS[scenario].input_shape[1:])
        whole_said = "" if whole == done else f", of which {done} of {whole:.0f} steps were done"
        size_said = "" if size == 1 else f", scaled by {size:g} for the size of the images"
        threads = f" with {card['threads']} thread(s)" if "threads" in card else ""
        return Estimate(
            seconds * whole / done * size,
            f"Judged by the training of {name}, {seconds:.0f} s on {device}{threads}{whole_said}{size_said}.",
        )
    if config.what == "target" and config.defense == "none" and device == "cpu":
        return _timed(config)
    return Estimate(None, "Nothing like it was trained on such a device yet; its first minutes will tell.")


def _timed(config: TrainingConfig) -> Estimate:
    """Return how long a classifier's training will take by a few images that it learns from now, on this machine."""
    scenario = SCENARIOS[config.scenario]()
    if scenario.problem() is not None:
        return Estimate(None, "The private images are not here.")
    recipe = recipe_for(scenario, config.target_key, config.seed)
    each = seconds_per_image(built_as(scenario, config.target_key), scenario.input_shape, scenario.num_classes)
    shown = recipe.epochs * len(scenario.private.train)
    if recipe.everything:
        shown += recipe.epochs * len(scenario.private.all)
    return Estimate(
        shown * each,
        f"Judged by a few images timed on this machine: {shown:,} are shown, {each * 1000:.1f} ms of one core each.",
    )


@lru_cache(maxsize=32)
def seconds_per_image(arch: str, shape: Shape, classes: int) -> float:
    """Return how many seconds of one core an architecture learns from an image here, measured once.

    Args:
        shape: (C, H, W).
    """
    with torch.random.fork_rng(devices=[]):
        model = Classifier(arch, shape, classes).train().to(memory_format=torch.channels_last)
    images, labels = torch.full((TIMED, *shape), 0.5), torch.arange(TIMED) % classes
    rng, recipe, best = torch.Generator().manual_seed(0), ClassifierRecipe(), float("inf")
    for _ in range(3):  # the first is slower; processor time, for others may compute at the same time
        start = time.process_time()
        given = warp(images, recipe, True, rng).to(memory_format=torch.channels_last)
        functional.cross_entropy(model(given), labels).backward()
        best = min(best, time.process_time() - start)
    return best / TIMED


def _weaker(config: TrainingConfig) -> Iterator[str]:
    """Yield the same target's weights under the same defense as it comes, and without any."""
    plan = Plan.of(config.defense)
    part = plan.output or plan.training
    if part is not None:
        usual = str(replace(plan, **{part.stage: Part.parse(part.key)}))
        yield trained_name(replace(config, defense=usual))
    if plan.output is None:
        yield trained_name(replace(config, defense="none"))


def _kin(config: TrainingConfig) -> Iterator[tuple[str, str]]:
    """Yield the weights, with their scenario, that were trained the same way, the nearest kin first."""
    names = [(trained_name(config), config.scenario)]
    if config.what == "prior":
        scenarios = [config.scenario, *(e.key for e in SCENARIOS if e.key != config.scenario)]
        names += [(weights_name(scenario, config.prior_key), scenario) for scenario in scenarios]
    else:
        names += [(name, config.scenario) for name in _weaker(config)]
    yield from ((name, scenario) for name, scenario in dict.fromkeys(names) if has_weights(name))
