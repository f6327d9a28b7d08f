"""Finding and loading classifiers by scenario, architecture and defense, such as ``digits``, ``resnet``, ``bido+rounding``."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

import torch

from workbench.core.errors import DataMissing, WorkbenchError
from workbench.core.rounds import ModelOfRound
from workbench.core.weights import carded_names, has_weights, read_card
from workbench.defenses.plan import Plan
from workbench.federated.settings import federation_of
from workbench.targets.architectures import ARCHITECTURES, Classifier
from workbench.targets.store import EVALUATOR, classifier_name, read_classifier


def weights_name(scenario: str, arch: str, defense: str = "none") -> str:
    """Return where a classifier's weights are kept, ``digits/target-resnet-bido,strength=2``.

    What is done to the output leaves the classifier as it is, and is no part of the name.
    """
    return classifier_name(scenario, arch, Plan.of(defense).trained_under.suffix)


def trained_defenses(scenario: str, arch: str) -> list[str]:
    """Return the defenses that there are trained classifiers under, by name; what cannot be read is left out."""
    found = []
    for name in carded_names(f"{scenario}/target-{arch}-*"):
        try:
            text = str(Plan.of(read_card(name)["defense"]["text"]))
        except (WorkbenchError, KeyError, TypeError):
            continue
        if weights_name(scenario, arch, text) == name:
            found.append(text)
    return found


def release_name(scenario: str, arch: str, defense: str) -> str | None:
    """Return where the weights of what is put around the output are kept; None if it has none."""
    plan = Plan.of(defense)
    if plan.output is None or not plan.output.defense.learns:
        return None
    return f"{weights_name(scenario, arch, defense)}+{plan.output.file}"


def target_problem(scenario: str, arch: str, defense: str = "none") -> str | None:
    """Return why this classifier cannot be loaded, or what belongs around it is missing, or None."""
    ARCHITECTURES.entry(arch)
    plan = Plan.of(defense)
    trained, around = weights_name(scenario, arch, defense), release_name(scenario, arch, defense)
    under = f" under {plan.training}" if plan.training else ""
    if not has_weights(trained):
        remedy = _remedy(scenario, arch, str(plan.training) if plan.training else None)
        return f"There is no trained {arch} for {scenario}{under}. Train it with: {remedy}"
    if around is None or plan.output is None:
        return None
    remedy, output = _remedy(scenario, arch, str(plan)), plan.output.key
    if not has_weights(around):
        return f"There is no {output} around the {arch} for {scenario}{under}. Train it with: {remedy}"
    if read_card(around)["target_sha256"] != read_card(trained)["sha256"]:
        return (
            f"The {arch} for {scenario} was trained again after {output} was fitted to it. Fit it anew with: {remedy}"
        )
    return None


def _remedy(scenario: str, arch: str, defense: str | None) -> str:
    if (snapshot := ModelOfRound.parse(arch)) is not None:
        return federation_of(scenario, snapshot).command
    command = "evaluator" if arch == EVALUATOR else f"target --arch {arch}"
    return f"python -m workbench train {command} --scenario {scenario}" + (
        f" --defense {shlex.quote(defense)}" if defense else ""
    )


def load_classifier(scenario: str, arch: str, defense: str = "none", device: torch.device | str = "cpu") -> Classifier:
    """Return a trained classifier in eval mode with frozen weights, and nothing around its output.

    Raises:
        UnknownName, DataMissing, WeightsCorrupt.
        Incompatible: the weights do not fit the architecture.
    """
    plan = Plan.of(defense)
    if problem := target_problem(scenario, arch, str(replace(plan, output=None))):
        raise DataMissing(problem)
    build = plan.training.defense.build if plan.training is not None else None
    return read_classifier(weights_name(scenario, arch, defense), arch, device, build)


def target_card(scenario: str, arch: str, defense: str = "none") -> dict[str, Any]:
    """Return what is known of a trained classifier: data, recipe, accuracies."""
    return read_card(weights_name(scenario, arch, defense))
