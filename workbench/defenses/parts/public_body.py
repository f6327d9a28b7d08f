"""A target's body as public images alone have made it: where defenses begin that spare the private ones."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from torch import nn

from workbench.core.errors import DataMissing
from workbench.core.weights import has_weights, load_weights
from workbench.targets import ARCHITECTURES, Classifier
from workbench.targets.pretraining import public_name, train_public
from workbench.targets.training import DefenseSetting, EpochProgress


def learning_layers(model: Classifier) -> list[nn.Module]:
    """Return the body's innermost modules that have parameters, from the image on."""
    return [m for m in model.body.modules() if not list(m.children()) and list(m.parameters())]


def public_body(
    model: Classifier, case: DefenseSetting, title: str
) -> Generator[EpochProgress, None, dict[str, Any] | None]:
    """Give `model` the body of a classifier of public classes, which is trained first where there is none.

    A body without parameters, and one that a pretrained architecture brings, is public as it is.

    Returns:
        What the card says of the public classifier, None where there is none.

    Raises:
        DataMissing: there is no such classifier, and nothing here to train it on.
    """
    scenario, arch = case.scenario, case.arch
    if not learning_layers(model) or ARCHITECTURES.entry(arch).info.pretrained:
        return None
    name = public_name(scenario.key, arch)
    if case.public is not None or not has_weights(name):
        try:
            yield from train_public(
                scenario, arch, folder=case.public, source=case.source, seed=case.seed, device=str(case.device)
            )
        except DataMissing as error:
            raise DataMissing(
                f"{title} starts from a {arch} of public classes, and there is none for {scenario.key}. {error}"
            ) from None
    tensors, card = load_weights(name)
    model.body.load_state_dict({k.removeprefix("body."): v for k, v in tensors.items() if k.startswith("body.")})
    return {"name": name, "sha256": card["sha256"], "data": card["data"]}
