"""Defended targets as they answer queries."""

from __future__ import annotations

import torch
from torch import nn

from workbench.core.weights import load_weights
from workbench.defenses.plan import Plan
from workbench.defenses.store import load_classifier, release_name


def load_target(scenario: str, arch: str, defense: str = "none", device: torch.device | str = "cpu") -> nn.Module:
    """Return a target as it answers queries, defended at the output if the defense says so; in eval mode, frozen.

    Raises:
        UnknownName, KnobError, DataMissing, WeightsCorrupt, Incompatible.
    """
    part, model = Plan.of(defense).output, load_classifier(scenario, arch, defense, device)
    if part is None:
        return model
    name = release_name(scenario, arch, defense)
    trained = load_weights(name)[0] if name else None
    return part.defense.wrap(model, trained).eval().requires_grad_(False).to(device)
