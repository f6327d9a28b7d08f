"""What a federated training begins with, wherever its participants run: who holds what, the first weights, how they train."""

from __future__ import annotations

import torch
from torch import nn

from workbench.core.errors import Incompatible
from workbench.federated.participant import LocalTraining, generator
from workbench.federated.privacy import PrivateSteps, norms_that_mix
from workbench.federated.settings import FedAvg, Federation
from workbench.federated.splits.base import SPLITS
from workbench.scenarios import SCENARIOS, Labelled, Scenario
from workbench.targets.architectures import ARCHITECTURES, Classifier
from workbench.targets.recipes import recipe_for
from workbench.targets.store import built_as, shipped_body


def shares(federation: Federation, train: Labelled) -> list[Labelled]:
    """Return what each participant holds of the private training images; some may hold nothing."""
    setting = federation.setting
    rng = generator(federation.seed, 0)
    parts = SPLITS[setting.split](train.labels, setting.participants, setting.alpha, rng)
    return [Labelled(train.images[rows], train.labels[rows]) for rows in parts]


def first_model(federation: Federation, scenario: Scenario) -> Classifier:
    """Return the network with the weights that the server sends first; raises `Incompatible`, `DataMissing`."""
    arch = built_as(scenario, federation.arch)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(federation.seed)
        model = Classifier(arch, scenario.input_shape, scenario.num_classes)
    if federation.setting.privacy != "none" and (norms := norms_that_mix(model)):
        raise Incompatible(
            [
                f"'{norms[0]}' of {federation.arch} is a batch norm: its statistics mix the images of a batch, and noise spoils "
                "them. Under differential privacy choose an architecture without, such as convnet, mlp or softmax."
            ]
        )
    if begun := ARCHITECTURES.entry(arch).info.pretrained:
        model.body.load_state_dict(shipped_body(begun))
    if recipe_for(scenario, federation.arch, federation.seed).zero_head:
        nn.init.zeros_(model.head.get_parameter("weight"))
    return model


def local_rate(setting: FedAvg, round_: int) -> float:
    """Return the local learning rate of a round: from the knob's to a tenth of it, by equal factors."""
    share = (round_ - 1) / max(1, setting.rounds - 1)
    return setting.lr * 0.1**share


def local_training(federation: Federation, scenario: Scenario) -> LocalTraining:
    """Return how participants train in the first round; `local_rate` has the learning rates of later ones."""
    setting, recipe = federation.setting, recipe_for(scenario, federation.arch, federation.seed)
    private = PrivateSteps(setting.bound, setting.noise) if setting.privacy == "record" else None
    flips = scenario.flips and recipe.mirror
    return LocalTraining(setting.epochs, setting.batch, setting.lr, recipe, flips, federation.seed, private)


def bytes_needed(federation: Federation) -> int:
    """Return how many bytes the rounds of a training will take on disk, about."""
    place = SCENARIOS.entry(federation.scenario).item
    model = Classifier(federation.arch, place.input_shape, len(place.class_names))
    size = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    setting = federation.setting
    asked = max(1, round(setting.participation * setting.participants))
    return size * (1 + setting.rounds * (1 + asked))
