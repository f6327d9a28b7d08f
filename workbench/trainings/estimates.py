"""How long a training will take, judged by the cards of those that were."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from workbench.core.records import TrainingConfig
from workbench.core.weights import has_weights, read_card
from workbench.defenses.plan import Part, Plan
from workbench.priors.base import weights_name
from workbench.scenarios import SCENARIOS
from workbench.trainings.start import trained_name


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
    return Estimate(None, "Nothing like it was trained on such a device yet; its first minutes will tell.")


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
