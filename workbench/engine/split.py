"""A run on a network that is cut in two: the pictures a client sends, and what the attacker is given of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor

from workbench.attacks import AttackInfo
from workbench.core.errors import Incompatible, WorkbenchError
from workbench.core.records import Recovers, RunConfig
from workbench.core.shapes import Shape
from workbench.defenses.plan import Part, Plan
from workbench.engine.model_cache import ModelCache
from workbench.scenarios import Scenario
from workbench.targets.architectures import Classifier
from workbench.targets.remote.sources import is_foreign
from workbench.targets.split import Cut, Intercepted, SplitModel, SplitView, cut_named, cuts_of

MEASURED = 100  # held-out images by which the accuracy behind a guard is measured
EXAMPLES = 256  # private training images by which a guard is fitted to a layer
SENDING = (
    104_729  # added to a run's seed for what the client's guard draws, which is not what the attacker's queries draw
)


def cuts_in(shape: Shape, classes: int, arch: str, defense: str = "none") -> tuple[Cut, ...]:
    """Return where a target can be cut, from the image down; no weights are needed.

    Raises:
        UnknownName, Incompatible.
    """
    training = Plan.of(defense).training
    return _cuts_in(tuple(shape), classes, arch, str(training) if training else "")


@cache
def _cuts_in(shape: Shape, classes: int, arch: str, training: str) -> tuple[Cut, ...]:
    with torch.random.fork_rng(devices=[]):  # first weights are drawn from the global generator
        torch.manual_seed(0)
        model = Classifier(arch, shape, classes)
        if training:
            model = Part.parse(training).defense.build(model)
    return cuts_of(model.eval().requires_grad_(False))


def split_problem(config: RunConfig, info: AttackInfo, scenario: type[Scenario]) -> str | None:
    """Return why a configuration cannot run for what it says of a cut, in a sentence, or None."""
    at_split = Plan.of(config.defense).split
    if info.recovers is not Recovers.PICTURE:
        if at_split is None:
            return None
        return (
            f"{at_split.title} guards what a client sends, and {info.title} attacks a network that is not cut in two."
        )
    if is_foreign(config.target):
        return "A target elsewhere cannot be cut in two: only its answers are within reach. Choose a target of this machine."
    if config.asks > 1:
        return f"{info.title} inverts what was sent once: asks={config.asks} has no meaning here. Leave it at 1."
    try:
        cut_named(
            cuts_in(scenario.input_shape, scenario().num_classes, config.target, config.defense),
            layer_of(config.knobs),
            config.target,
        )
    except WorkbenchError as error:
        return str(error)
    return None


def layer_of(knobs: Mapping[str, Any]) -> str:
    """Return the name of the layer that the knobs of an attack on a split network name."""
    return str(knobs.get("layer", ""))


def pictures_of(scenario: Scenario, labels: Tensor, restarts: int) -> Tensor:
    """Return the client's pictures (N, C, H, W): of each class the first ones that the target never saw, `restarts` of them.

    Where a class has fewer, its training images follow, and then the first again.

    Args:
        labels: (N,) every class `restarts` times in a row.

    Raises:
        DataMissing: the private images are not here.
    """
    private, found = scenario.private, []
    for c in labels[::restarts].tolist():
        own = torch.cat([private.heldout.of_class(c), private.train.of_class(c)])
        found += [own[k % len(own)] for k in range(restarts)]
    return torch.stack(found)


def split_model(config: RunConfig, cache: ModelCache) -> SplitModel:
    """Return a target cut in two as the configuration says, with the guard around what the client sends.

    Raises:
        Incompatible: it has no such layer.
        DataMissing: its weights, or the images that a guard is fitted to, are not here.
    """
    model = cache.target(config.scenario, config.target, config.defense, released=False)
    if not isinstance(model, Classifier):
        raise Incompatible([f"The target '{config.target}' cannot be cut in two."])
    cut, plan = cut_named(cuts_of(model), layer_of(config.knobs), config.target), Plan.of(config.defense)
    if plan.split is None:
        return SplitModel(model, cut)
    train = cache.scenario(config.scenario).private.train.images
    rows = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))[:EXAMPLES]
    with torch.no_grad():
        examples = SplitModel(model, cut).client(train[rows].to(cache.device))
    guard = plan.split.defense.guard(examples)
    return SplitModel(model, cut, guard.eval().to(cache.device))


def sent_by(model: SplitModel, pictures: Tensor, seed: int) -> Tensor:
    """Return what the client sends, (N, *S), of pictures (N, C, H, W); `seed` decides what its guard draws."""
    model.guard.rng = torch.Generator().manual_seed(SENDING + seed)
    with torch.no_grad():
        return model.guard(model.client(pictures))


def intercepted(config: RunConfig, info: AttackInfo, cache: ModelCache, pictures: Tensor) -> Intercepted:
    """Return what an attack on a split network is given.

    Args:
        pictures: (N, C, H, W) those of the client.
    """
    place, model = cache.scenario(config.scenario), split_model(config, cache)
    view = SplitView(
        model,
        info.access,
        budget=config.budget,
        seed=config.seed,
        num_classes=place.num_classes,
        input_shape=place.input_shape,
    )
    sent = sent_by(model, pictures.to(cache.device), config.seed)
    return Intercepted(view, sent, place.private.train if info.labelled else None)


def utility(model: SplitModel, images: Tensor, labels: Tensor, batch: int = 64) -> float:
    """Return the share of images (n, C, H, W) that the server's half still knows from what is sent, 0 to 1."""
    with torch.no_grad():
        right = [
            (model(x).argmax(1) == y).float().sum()
            for x, y in zip(images.split(batch), labels.split(batch), strict=True)
        ]
    return (torch.stack(right).sum() / len(images)).item()


def accuracy_behind(config: RunConfig, cache: ModelCache) -> float:
    """Return the share of held-out private images that the server knows from what a guarded client sends, 0 to 1."""
    model, heldout = split_model(config, cache), cache.scenario(config.scenario).private.heldout
    model.guard.rng = torch.Generator().manual_seed(SENDING + config.seed)
    rows = torch.randperm(len(heldout), generator=torch.Generator().manual_seed(0))[:MEASURED]
    return utility(model, heldout.images[rows].to(cache.device), heldout.labels[rows].to(cache.device))
