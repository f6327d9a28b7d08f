"""Classifiers of public classes, whose first layers a target may be built on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import torch

from workbench.core.weights import save_weights
from workbench.scenarios import Scenario
from workbench.targets.architectures import ARCHITECTURES, Classifier
from workbench.targets.recipes import recipe_for
from workbench.targets.training import EpochProgress, accuracy, fit

EXAMPLES = 100_000  # images seen in all, at most: bounds the time whatever the public set's size
FEWEST_EPOCHS = 4


def public_name(scenario: str, arch: str) -> str:
    return f"{scenario}/public-{arch}"


def train_public(
    scenario: Scenario,
    arch: str,
    *,
    folder: Path | None = None,
    source: str | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> Iterator[EpochProgress]:
    """Train and save a classifier of the scenario's public classes.

    Args:
        folder: public images, a folder for each class; the scenario's own where it ships some and None is given.
        source: what they are, for the card.

    Raises:
        DataMissing, NotFinite.
    """
    data, start = scenario.public_labelled(folder), time.monotonic()
    classes = int(data.labels.max()) + 1
    recipe = recipe_for(scenario, arch, seed)
    recipe = replace(recipe, batch=64, epochs=max(FEWEST_EPOCHS, min(recipe.epochs, round(EXAMPLES / len(data)))))
    torch.manual_seed(seed)
    model = Classifier(arch, scenario.input_shape, classes).to(device)
    yield from fit(model, data, recipe, flips=scenario.flips and recipe.mirror, phase="public classes")
    save_weights(
        public_name(scenario.key, arch),
        dict(model.state_dict()),
        {
            "what": f"{ARCHITECTURES.entry(arch).title} of {classes} public classes",
            "arch": arch,
            "scenario": scenario.key,
            "shape": list(scenario.input_shape),
            "num_classes": classes,
            "data": source or scenario.public_source,
            "public_images": len(data),
            "recipe": asdict(recipe),
            "train_accuracy": round(accuracy(model, data), 4),
            "seconds": round(time.monotonic() - start, 1),
            "device": device,
            "quality": "full",
        },
        half=True,
    )
