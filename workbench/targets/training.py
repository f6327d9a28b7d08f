"""Training targets and evaluators on a scenario's private images."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from workbench.core.errors import NotFinite
from workbench.core.weights import save_weights
from workbench.scenarios import Labelled, Scenario
from workbench.targets.architectures import ARCHITECTURES, Classifier
from workbench.targets.store import weights_name


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained; stored on its card.

    Attributes:
        everything: train on held-out images as well (evaluators); accuracy is then measured on a
            second model of the same recipe that did not see them.
        optimiser: "adamw", or "sgd" with momentum 0.9.
        zero_head: start the last layer from zero; a linear model trained by SGD then consists of
            nothing but its training images, as in Fredrikson et al. 2015.
        shift, scale, rotate: strongest augmentation, in shares of the image's width, and degrees.
    """

    epochs: int = 50
    batch: int = 40
    lr: float = 2e-3
    weight_decay: float = 5e-4
    smoothing: float = 0.0
    optimiser: str = "adamw"
    zero_head: bool = False
    shift: float = 0.06
    scale: float = 0.1
    rotate: float = 8.0
    contrast: float = 0.2
    mirror: bool = True
    everything: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Progress:
    epoch: int
    total: int
    loss: float
    accuracy: float
    phase: str


def recipe_for(scenario: Scenario, arch: str, seed: int = 0) -> Recipe:
    """Return the architecture's recipe, with fewer epochs where each class has hundreds of images."""
    recipe = replace(Recipe(seed=seed), **ARCHITECTURES.entry(arch).info.get("recipe", {}))
    if len(scenario.private.train) > 100 * scenario.num_classes:
        recipe = replace(recipe, epochs=max(12, recipe.epochs // 3), batch=64)
    return recipe


def warp(images: Tensor, recipe: Recipe, flips: bool, rng: torch.Generator) -> Tensor:
    """Return randomly shifted, scaled, rotated, mirrored and contrasted copies of (n, C, H, W)."""
    n = len(images)

    def uniform(reach: float) -> Tensor:
        return (torch.rand(n, generator=rng) * 2 - 1) * reach

    angle, zoom = uniform(recipe.rotate * torch.pi / 180), 1 + uniform(recipe.scale)
    mirror = torch.where(torch.rand(n, generator=rng) < (0.5 if flips else 0.0), -1.0, 1.0)
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    matrix = torch.stack([torch.stack([cos * mirror, -sin, uniform(2 * recipe.shift)], 1),
                          torch.stack([sin * mirror, cos, uniform(2 * recipe.shift)], 1)], 1)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    warped = F.grid_sample(images, grid, padding_mode="border" if flips else "zeros", align_corners=False)
    gain = (1 + uniform(recipe.contrast))[:, None, None, None]
    return ((warped - 0.5) * gain + 0.5 + uniform(recipe.contrast / 3)[:, None, None, None]).clamp(0, 1)


@torch.no_grad()
def accuracy(model: Classifier, data: Labelled, batch: int = 200) -> float:
    """Return the share of `data` that `model` classifies right, 0 to 1."""
    device = next(model.parameters()).device
    right = [(model(x.to(device)).argmax(1).cpu() == y) for x, y in
             zip(data.images.split(batch), data.labels.split(batch), strict=True)]
    return torch.cat(right).float().mean().item()


def fit(model: Classifier, data: Labelled, recipe: Recipe, *, flips: bool, phase: str = "",
        check: Labelled | None = None) -> Iterator[Progress]:
    """Train `model` in place, yielding once an epoch.

    Raises:
        NotFinite: the loss diverged.
    """
    device = next(model.parameters()).device
    rng = torch.Generator().manual_seed(recipe.seed)
    torch.manual_seed(recipe.seed)  # dropout draws from the global generator
    if recipe.optimiser == "sgd":
        optimiser = torch.optim.SGD(model.parameters(), recipe.lr, momentum=0.9, weight_decay=recipe.weight_decay)
    else:
        optimiser = torch.optim.AdamW(model.parameters(), recipe.lr, weight_decay=recipe.weight_decay)
    per_epoch = max(1, len(data) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.lr, total_steps=recipe.epochs * per_epoch + 1,
                                                   pct_start=0.2)
    for epoch in range(recipe.epochs):
        model.train()
        order, total = torch.randperm(len(data), generator=rng), 0.0
        for index in order[: per_epoch * recipe.batch].split(recipe.batch):
            images = warp(data.images[index], recipe, flips, rng).to(device)
            loss = F.cross_entropy(model(images), data.labels[index].to(device), label_smoothing=recipe.smoothing)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        if total != total:
            raise NotFinite(f"Training diverged in epoch {epoch + 1}. Nothing was saved; lower the learning rate.")
        model.eval()
        due = check is not None and (epoch % 5 == 4 or epoch + 1 == recipe.epochs)
        yield Progress(epoch + 1, recipe.epochs, total / per_epoch, accuracy(model, check) if due else float("nan"), phase)


def train_classifier(scenario: Scenario, arch: str, *, seed: int = 0, device: str = "cpu",
                     recipe: Recipe | None = None) -> Iterator[Progress]:
    """Train and save one classifier of `scenario`; the weights replace those that were there.

    Raises:
        DataMissing, NotFinite.
    """
    recipe = recipe or recipe_for(scenario, arch, seed)
    split, start = scenario.private, time.monotonic()

    def fresh() -> Classifier:
        torch.manual_seed(recipe.seed)
        model = Classifier(arch, scenario.input_shape, scenario.num_classes).to(device)
        if recipe.zero_head:
            torch.nn.init.zeros_(model.head.weight)
        return model

    model = fresh()
    yield from fit(model, split.train, recipe, flips=scenario.flips and recipe.mirror, check=split.heldout, phase="training images")
    measured = {"train_accuracy": accuracy(model, split.train), "heldout_accuracy": accuracy(model, split.heldout)}
    if recipe.everything:
        model = fresh()
        yield from fit(model, split.all, recipe, flips=scenario.flips and recipe.mirror, check=split.all, phase="all private images")
        measured["all_accuracy"] = accuracy(model, split.all)
    tensors = {k: v for k, v in model.state_dict().items()}
    save_weights(weights_name(scenario.key, arch), tensors, {
        "what": f"{ARCHITECTURES.entry(arch).title} of {scenario.key}", "arch": arch,
        "scenario": scenario.key, "shape": list(scenario.input_shape), "num_classes": scenario.num_classes,
        "data": scenario.private_source, "recipe": asdict(recipe), **{k: round(v, 4) for k, v in measured.items()},
        "measured": "held-out accuracy is that of a model of this recipe trained without the held-out images"
        if recipe.everything else "accuracies on the scenario's own split",
        "seconds": round(time.monotonic() - start, 1), "device": device, "quality": "full"}, half=True)
