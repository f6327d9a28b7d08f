"""The models of a federated training on disk: for every round the global one, and each that a participant sent.

::

    models/faces/target-cnn@fedavg/000/global.safetensors          first weights
    models/faces/target-cnn@fedavg/007/participant-3.safetensors   what participant 3 made of round 6's global model
    models/faces/target-cnn@fedavg/007/global.safetensors          their mean; written last, so it ends the round
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from workbench.core.errors import DataMissing
from workbench.core.paths import models_dir
from workbench.core.rounds import GLOBAL
from workbench.core.weights import has_weights, load_weights, read_card, save_weights
from workbench.federated.settings import KEY, Federation
from workbench.federated.update import State, minus, weights_of
from workbench.targets.store import classifier_name


def weights_name(federation: Federation, round_: int, victim: str = GLOBAL) -> str:
    """Return what the weights of a model of a round are called."""
    return classifier_name(federation.scenario, federation.target(round_, victim))


def folder_of(federation: Federation) -> Path:
    """Return where the rounds of a training lie, each in a folder."""
    return models_dir() / federation.scenario / f"target-{federation.arch}@{federation.label}"


def rounds_done(federation: Federation) -> int:
    """Return the last round that is complete, 0 after the first weights, -1 for none."""
    done = -1
    while done < federation.setting.rounds and has_weights(weights_name(federation, done + 1)):
        done += 1
    return done


def save_model(
    federation: Federation, round_: int, victim: str, tensors: Mapping[str, Tensor], card: Mapping[str, Any]
) -> None:
    """Write one model of one round; exactly, since updates are differences of such."""
    save_weights(weights_name(federation, round_, victim), tensors, card)


def model_of(federation: Federation, round_: int, victim: str = GLOBAL) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return weights and card of a model of a round; raises `DataMissing`, `WeightsCorrupt`, `UsageError`."""
    return load_weights(weights_name(federation, round_, victim))


def update_of(federation: Federation, round_: int, participant: int) -> State:
    """Return what a participant's training changed in a round, by name; raises `DataMissing` where it sent nothing."""
    after, _ = model_of(federation, round_, f"participant:{participant}")
    before, _ = model_of(federation, round_ - 1)
    return minus(weights_of(after), weights_of(before))


def card_of_round(federation: Federation, round_: int) -> dict[str, Any]:
    """Return what is known of a round: accuracies, who took part, who was refused; raises `DataMissing`."""
    return read_card(weights_name(federation, round_))


def federations(scenario: str | None = None) -> Iterator[Federation]:
    """Yield every federated training of which there is a round, of one scenario if it is named."""
    for path in sorted(models_dir().glob(f"{scenario or '[!.]*'}/target-*@{KEY}*/000/{GLOBAL}.json")):
        place = path.parents[1]
        arch, _, label = place.name.removeprefix("target-").partition("@")
        try:
            card = read_card(f"{place.parent.name}/{place.name}/000/{GLOBAL}")
            found = Federation.of(place.parent.name, arch, card["federated"]["knobs"], card["federated"]["seed"])
        except (KeyError, TypeError, ValueError, DataMissing):
            continue
        if found.label == label:
            yield found


def chosen(scenario: str, arch: str | None = None, label: str | None = None) -> Federation:
    """Return the federated training of this label, or the one trained last where none is named.

    Args:
        label: such as ``fedavg,split=person``, as `federations` lists them.

    Raises:
        DataMissing: there is none.
    """
    found = [f for f in federations(scenario) if arch in (None, f.arch) and label in (None, f.label)]
    if not found:
        wanted = " ".join(filter(None, [arch, label and f"'{label}'"]))
        known = ", ".join(f"{f.arch} {f.label}" for f in federations(scenario))
        raise DataMissing(
            f"There is no federated training{f' of {wanted}' if wanted else ''} on {scenario}. "
            + (
                f"There are: {known}."
                if known
                else f"Start one: python -m workbench federated train --scenario {scenario}"
            )
        )
    return max(found, key=lambda f: folder_of(f).stat().st_mtime_ns)


def forget(federation: Federation) -> None:
    """Delete every round of a training."""
    shutil.rmtree(folder_of(federation), ignore_errors=True)
