"""Finding and loading the weights of classifiers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from workbench.core.errors import Incompatible
from workbench.core.weights import load_weights
from workbench.scenarios import Scenario
from workbench.targets.architectures import Classifier

EVALUATOR = "evaluator"


def classifier_name(scenario: str, arch: str, suffix: str = "") -> str:
    """Return where a classifier's weights are kept, ``digits/target-resnet-bido,strength=2``.

    Args:
        suffix: what the defense it was trained under adds; see `TrainedUnder`.
    """
    role = EVALUATOR if arch == EVALUATOR else f"target-{arch}"
    return f"{scenario}/{role}{suffix}"


def built_as(scenario: Scenario, arch: str) -> str:
    """Return the architecture behind a name: a scenario chooses what its evaluator is."""
    return scenario.evaluator if arch == EVALUATOR else arch


def shipped_body(name: str) -> dict[str, Tensor]:
    """Return the weights of the body of a classifier whose weights are called `name`; raises `DataMissing`, `WeightsCorrupt`."""
    tensors, _ = load_weights(name)
    return {name.removeprefix("body."): value for name, value in tensors.items() if name.startswith("body.")}


def read_classifier(
    name: str, arch: str, device: torch.device | str = "cpu", build: Callable[[Classifier], Classifier] | None = None
) -> Classifier:
    """Return the classifier whose weights are called `name`, in eval mode with frozen weights.

    Args:
        arch: what it is built as, where its card does not say.
        build: gives a fresh classifier the layers that it was trained with; None for those of its architecture.

    Raises:
        DataMissing, WeightsCorrupt.
        Incompatible: the weights do not fit the architecture.
    """
    tensors, card = load_weights(name)
    model = Classifier(card.get("arch", arch), tuple(card["shape"]), card["num_classes"])
    if build is not None:
        model = build(model)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise Incompatible(
            [
                f"The weights of {name.replace('/target-', '/')} do not fit the architecture: "
                f"{str(error).splitlines()[0]}"
            ]
        ) from None
    return model.eval().requires_grad_(False).to(device)
