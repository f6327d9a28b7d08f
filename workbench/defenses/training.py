"""Training defended targets: the classifier itself, or what is put around its output."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path

import torch

from workbench.core.errors import Incompatible, UsageError
from workbench.core.knobs import values_of
from workbench.core.weights import read_card, save_weights
from workbench.defenses.parts.output import Released
from workbench.defenses.plan import DEFENSES, Plan
from workbench.defenses.store import load_classifier, release_name, weights_name
from workbench.scenarios import Scenario
from workbench.targets.training import (
    ClassifierRecipe,
    DefenseSetting,
    EpochProgress,
    Protection,
    accuracy,
    train_classifier,
)


def defense_problem(arch: str, defense: str) -> str | None:
    """Return why this architecture cannot be defended so, or why there is nothing to train, or None.

    Raises:
        UsageError, UnknownName, KnobError, Incompatible: the text names no defense.
    """
    plan = Plan.of(defense)
    for part in plan.parts:
        if problem := part.defense.problem(arch):
            return problem
    if plan.output is not None and not plan.output.defense.learns:
        then = "" if plan.training is None else f" Train with --defense {plan.training.key} alone."
        return (
            f"'{plan.output.key}' only changes what is released; it works on any target and has nothing to train.{then}"
        )
    return None


def train_target(
    scenario: Scenario,
    arch: str,
    *,
    defense: str = "none",
    seed: int = 0,
    device: str = "cpu",
    recipe: ClassifierRecipe | None = None,
    name: str | None = None,
    public: Path | None = None,
    source: str | None = None,
    exact: bool = False,
    resume: bool = False,
) -> Generator[EpochProgress, None, None]:
    """Train and save one target, or what is put around its output where the defense names such a thing.

    A defense at the output is trained around the target that is there, and leaves it as it is.

    Args:
        name: where the weights are kept; where they are looked for if None.
        public, source: see `DefenseSetting`.
        exact: `recipe` has what the defense changes in it already, as that of a card has.
        resume: go on from the checkpoint of an undefended training that was cut short, if there is one.

    Raises:
        UsageError, UnknownName, KnobError, Incompatible, DataMissing, NotFinite, WeightsCorrupt.
    """
    if problem := defense_problem(arch, defense):
        raise Incompatible([problem])
    plan = Plan.of(defense)
    if resume and plan.parts:
        raise UsageError("A training under a defense leaves no checkpoint and begins anew: leave --resume out.")
    if plan.output is None:
        yield from train_classifier(
            scenario,
            arch,
            seed=seed,
            device=device,
            recipe=recipe,
            protection=_protection(plan),
            name=name,
            public=public,
            source=source,
            exact=exact,
            resume=resume,
        )
    else:
        yield from _train_release(
            scenario, arch, defense, DefenseSetting(scenario, arch, seed, device, public, source), name
        )


def _protection(plan: Plan) -> Protection | None:
    """Return what the training part of a plan does, None where it has none."""
    if (part := plan.training) is None:
        return None
    return Protection(part.title, plan.trained_under, values_of(part.defense), part.defense.shaping, part.defense.build)


def _train_release(
    scenario: Scenario, arch: str, defense: str, case: DefenseSetting, name: str | None
) -> Iterator[EpochProgress]:
    start, plan = time.monotonic(), Plan.of(defense)
    part, around = plan.output, name or release_name(scenario.key, arch, defense)
    if part is None or around is None:
        raise ValueError(f"'{defense}' puts nothing around the output that could be trained")
    model = load_classifier(scenario.key, arch, defense, case.device)
    torch.manual_seed(case.seed)
    released = part.defense.wrap(model).to(case.device)
    if not isinstance(released, Released):
        raise TypeError(f"what {part.title} puts around the output cannot be trained: it is no Released")
    yield from part.defense.learn(released, case)
    released.eval()
    private, of = scenario.private, weights_name(scenario.key, arch, defense)
    save_weights(
        around,
        released.own_weights(),
        {
            "what": f"{part.title} around {of}",
            "arch": arch,
            "scenario": scenario.key,
            "target": of,
            "target_sha256": read_card(of)["sha256"],
            "defense": {
                "text": str(replace(plan, training=None)),
                "knobs": values_of(part.defense),
                **released.facts(),
            },
            "train_accuracy": round(accuracy(released, private.train), 4),
            "heldout_accuracy": round(accuracy(released, private.heldout), 4),
            "paper": DEFENSES.entry(part.key).info.paper,
            "seed": case.seed,
            "seconds": round(time.monotonic() - start, 1),
            "device": str(case.device),
            "quality": "full",
        },
    )
