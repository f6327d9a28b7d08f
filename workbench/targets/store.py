"""Finding and loading the shipped classifiers."""

from __future__ import annotations

from typing import Any

import torch

from workbench.core.errors import DataMissing, Incompatible
from workbench.core.weights import has_weights, load_weights, read_card
from workbench.targets.architectures import ARCHITECTURES, Classifier

EVALUATOR = "evaluator"


def weights_name(scenario: str, arch: str, defense: str = "none") -> str:
    role = EVALUATOR if arch == EVALUATOR else f"target-{arch}"
    return f"{scenario}/{role}" + ("" if defense == "none" else f"-{defense}")


def target_problem(scenario: str, arch: str, defense: str = "none") -> str | None:
    """Return why this classifier cannot be loaded, or None."""
    ARCHITECTURES.entry(arch)
    if has_weights(weights_name(scenario, arch, defense)):
        return None
    command = "evaluator" if arch == EVALUATOR else f"target --arch {arch}"
    options = f" --scenario {scenario}" + ("" if defense == "none" else f" --defense {defense}")
    return (f"There is no trained {arch} for {scenario}" + ("" if defense == "none" else f" under {defense}")
            + f". Train it with: python -m workbench train {command}{options}")


def load_classifier(scenario: str, arch: str, defense: str = "none", device: torch.device | str = "cpu") -> Classifier:
    """Return a trained classifier in eval mode with frozen weights.

    Raises:
        UnknownName, DataMissing, WeightsCorrupt.
        Incompatible: the weights do not fit the architecture.
    """
    if problem := target_problem(scenario, arch, defense):
        raise DataMissing(problem)
    tensors, card = load_weights(weights_name(scenario, arch, defense))
    model = Classifier(arch, tuple(card["shape"]), card["num_classes"])
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise Incompatible([f"The weights of {scenario}/{arch} do not fit the architecture: "
                            f"{str(error).splitlines()[0]}"]) from None
    return model.eval().requires_grad_(False).to(device)


def target_card(scenario: str, arch: str, defense: str = "none") -> dict[str, Any]:
    """Return what is known of a trained classifier: data, recipe, accuracies."""
    return read_card(weights_name(scenario, arch, defense))
