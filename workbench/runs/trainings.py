"""Starting the training of a prior: data, target and device brought together, for the command line and the app."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from workbench.core.errors import DataMissing, KnobError, UsageError
from workbench.core.paths import models_dir
from workbench.priors import PRIORS
from workbench.priors.base import Setting, load_prior, prior_problem, weights_name
from workbench.priors.training import Progress, train
from workbench.scenarios import SCENARIOS
from workbench.targets import load_classifier
from workbench.targets.store import target_problem

QUALITIES = ("quick", "full")


def checkpoint_path(scenario: str, key: str, target: str | None = None, defense: str = "none") -> Path:
    """Return where a training that was cut short is resumed from."""
    return models_dir() / ".checkpoints" / (weights_name(scenario, key, target, defense).replace("/", "-") + ".pt")


def overrides_for(recipe: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Return `given`, texts such as ``{"gan_steps": "500"}``, as values of the recipe's own types.

    Raises:
        KnobError: the recipe has no such field, or the text is not such a value.
    """
    found: dict[str, Any] = {}
    for name, text in given.items():
        if name not in recipe:
            raise KnobError(f"This recipe has no '{name}'; it has: {', '.join(recipe)}.")
        try:
            found[name] = type(recipe[name])(text)
        except (TypeError, ValueError):
            raise KnobError(f"{name}={text} is not a {type(recipe[name]).__name__}.") from None
    return found


def train_prior(scenario: str, key: str, *, data: Path | None = None, source: str | None = None,
                quality: str = "quick", seed: int = 0, device: torch.device | str = "cpu", target: str | None = None,
                defense: str = "none", resume: bool = False, recipe: Mapping[str, str] | None = None,
                public: torch.Tensor | None = None) -> Iterator[Progress]:
    """Train and save a prior of a scenario.

    Args:
        data: folder of public images; the scenario's own where it ships some and None is given.
        target, defense: what a tuned prior is tuned to; the scenario's default target if None.
        resume: go on from the last checkpoint, if there is one.
        recipe: overrides, as texts.
        public: public images already read, instead of `data`.

    Raises:
        UnknownName, UsageError, DataMissing, KnobError, NotFinite.
    """
    place, kind = SCENARIOS[scenario](), PRIORS[key]
    if quality not in QUALITIES:
        raise UsageError(f"'{quality}' is not a quality. Choose {' or '.join(QUALITIES)}.")
    if not kind.tuned and (target or defense != "none"):
        raise UsageError(f"The '{key}' prior is trained on public images alone; leave --target and --defense out.")
    device, victim, base = torch.device(device), None, None
    if kind.tuned:
        target = target or place.default_target
        if problem := target_problem(scenario, target, defense) or prior_problem(scenario, "gan"):
            raise DataMissing(problem)
        victim, base = load_classifier(scenario, target, defense, device), load_prior(scenario, "gan", device)
    images = place.public(data) if public is None else public
    checkpoint = checkpoint_path(scenario, key, target, defense)
    setting = Setting(scenario, images, place.flips, device, quality, seed, victim, place.num_classes, base,
                      checkpoint.parent)
    trainer = kind.trainer(setting, {})
    if recipe:
        trainer = kind.trainer(setting, overrides_for(trainer.recipe, recipe))
    if not resume:
        checkpoint.unlink(missing_ok=True)
    yield from train(key, trainer, setting, source=source or place.public_source, checkpoint=checkpoint,
                     target=target, defense=defense)
