"""Training targets and evaluators on a scenario's private images."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.core.errors import NotFinite
from workbench.core.records import TrainedUnder
from workbench.core.weights import save_weights
from workbench.scenarios import Labelled, Scenario
from workbench.targets.architectures import ARCHITECTURES, Classifier
from workbench.targets.recipes import ClassifierRecipe, recipe_for
from workbench.targets.resuming import EpochCheckpoint, checkpoint_of
from workbench.targets.store import built_as, classifier_name, shipped_body

LEARNING, EVERYTHING = "training images", "all private images"  # phases; the second, of evaluators alone


@dataclass(frozen=True)
class EpochProgress:
    epoch: int
    total: int
    loss: float
    accuracy: float
    phase: str


@dataclass(frozen=True)
class DefenseSetting:
    """What a defense is trained for: one architecture on one scenario's private images.

    Attributes:
        public: a folder with a folder of images for each public class; what the scenario ships if None.
        source: what that folder holds, for cards.
    """

    scenario: Scenario
    arch: str
    seed: int = 0
    device: torch.device | str = "cpu"
    public: Path | None = None
    source: str | None = None


class Shaping:
    """What a defense may change in the training of a classifier; as it stands, nothing.

    The loop calls these in the order in which they stand here; a `Shaping` serves one training.
    """

    def recipe(self, recipe: ClassifierRecipe) -> ClassifierRecipe:
        """Return the recipe that this defense trains by."""
        return recipe

    def prepare(self, model: Classifier) -> Iterator[EpochProgress]:
        """Bring a fresh `model` to where training starts, such as weights learnt from public images."""
        yield from ()

    def data(self, train: Labelled) -> Labelled:
        """Return what is trained on in place of the private training images."""
        return train

    def begin(
        self,
        model: Classifier,
        optimiser: torch.optim.Optimizer,
        rows: int,
        recipe: ClassifierRecipe,
    ) -> tuple[nn.Module, torch.optim.Optimizer]:
        """Return what is trained, and by what; called once, before the first step on `rows` images."""
        return model, optimiser

    def batches(self, rows: int, size: int, rng: torch.Generator) -> Iterator[Tensor]:
        """Yield the row numbers of each batch of one epoch: ``max(1, rows // size)`` batches."""
        order = torch.randperm(rows, generator=rng)
        yield from order[: max(1, rows // size) * size].split(size)

    def mode(self, model: nn.Module) -> None:
        """Put `model` into the mode that an epoch is trained in."""
        model.train()

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor, done: float) -> Tensor:
        """Return the loss of one batch, a scalar.

        Args:
            images: (n, C, H, W) in [0, 1], augmented.
            labels: (n,).
            done: share of the epochs behind us, 0 to 1.
        """
        return F.cross_entropy(model(images), labels)

    def end(self, model: nn.Module) -> None:
        """Leave nothing behind in `model`; called however the training ended."""

    def facts(self) -> dict[str, Any]:
        """Return what the card says of the defense besides its knobs; asked after training."""
        return {}


@dataclass(frozen=True)
class Protection:
    """What a defense at training does to a classifier, and how it is told on the card.

    Attributes:
        shaping: what it changes in the loop, made for one training.
        build: gives a fresh classifier the layers of the defense.
    """

    title: str
    under: TrainedUnder
    knobs: Mapping[str, Any]
    shaping: Callable[[DefenseSetting], Shaping]
    build: Callable[[Classifier], Classifier]


def warp(images: Tensor, recipe: ClassifierRecipe, flips: bool, rng: torch.Generator) -> Tensor:
    """Return randomly shifted, scaled, rotated, mirrored and contrasted copies of (n, C, H, W)."""
    n = len(images)

    def uniform(reach: float) -> Tensor:
        return (torch.rand(n, generator=rng) * 2 - 1) * reach

    angle, zoom = uniform(recipe.rotate * torch.pi / 180), 1 + uniform(recipe.scale)
    mirror = torch.where(torch.rand(n, generator=rng) < (0.5 if flips else 0.0), -1.0, 1.0)
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    matrix = torch.stack(
        [
            torch.stack([cos * mirror, -sin, uniform(2 * recipe.shift)], 1),
            torch.stack([sin * mirror, cos, uniform(2 * recipe.shift)], 1),
        ],
        1,
    )
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    warped = F.grid_sample(images, grid, padding_mode="border" if flips else "zeros", align_corners=False)
    gain = (1 + uniform(recipe.contrast))[:, None, None, None]
    return ((warped - 0.5) * gain + 0.5 + uniform(recipe.contrast / 3)[:, None, None, None]).clamp(0, 1)


@torch.no_grad()
def accuracy(model: nn.Module, data: Labelled, batch: int = 200) -> float:
    """Return the share of `data` that `model` classifies right, 0 to 1."""
    device = next(model.parameters()).device
    right = [
        (model(x.to(device)).argmax(1).cpu() == y)
        for x, y in zip(data.images.split(batch), data.labels.split(batch), strict=True)
    ]
    return torch.cat(right).float().mean().item()


def fit(
    model: Classifier,
    data: Labelled,
    recipe: ClassifierRecipe,
    *,
    flips: bool,
    phase: str = "",
    check: Labelled | None = None,
    shaping: Shaping | None = None,
    checkpoint: EpochCheckpoint | None = None,
) -> Iterator[EpochProgress]:
    """Train `model` in place, yielding once an epoch.

    Args:
        check: measured on every fifth epoch, more often where there are few of them, and after the last.
        shaping: what a defense changes; its recipe, preparation and data are the caller's business.
        checkpoint: what this is resumed from, and where it is kept in case it is cut short; None for neither.

    Raises:
        NotFinite: the loss diverged.
    """
    shaping = shaping or Shaping()
    device = next(model.parameters()).device
    model.to(memory_format=torch.channels_last)  # a third faster on a CPU
    rng = torch.Generator().manual_seed(recipe.seed)
    torch.manual_seed(recipe.seed)  # dropout draws from the global generator
    optimiser: torch.optim.Optimizer
    if recipe.optimiser == "sgd":
        optimiser = torch.optim.SGD(model.parameters(), recipe.lr, momentum=0.9, weight_decay=recipe.weight_decay)
    else:
        optimiser = torch.optim.AdamW(model.parameters(), recipe.lr, weight_decay=recipe.weight_decay)
    per_epoch = max(1, len(data) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.lr, total_steps=recipe.epochs * per_epoch + 1, pct_start=0.2
    )
    trained, stepping = shaping.begin(model, optimiser, len(data), recipe)
    parts = {"model": model, "optimiser": optimiser, "schedule": schedule}
    begun = checkpoint.restore(parts, rng) if checkpoint is not None else 0
    looks = max(1, min(5, recipe.epochs // 5))
    try:
        for epoch in range(begun, recipe.epochs):
            shaping.mode(trained)
            total = 0.0
            for index in shaping.batches(len(data), recipe.batch, rng):
                images = warp(data.images[index], recipe, flips, rng).to(device, memory_format=torch.channels_last)
                loss = shaping.loss(trained, images, data.labels[index].to(device), epoch / recipe.epochs)
                stepping.zero_grad(set_to_none=True)
                loss.backward()
                stepping.step()
                schedule.step()
                total += loss.item()
            if not math.isfinite(total):
                raise NotFinite(
                    f"Training diverged in epoch {epoch + 1}. Nothing was saved, and earlier weights are still "
                    "there; lower the learning rate, or the strength of the defense."
                )
            trained.eval()
            reached = float("nan")
            if check is not None and ((epoch + 1) % looks == 0 or epoch + 1 == recipe.epochs):
                reached = accuracy(model, check)
            with checkpoint.keeping(epoch + 1, parts, rng) if checkpoint is not None else nullcontext():
                yield EpochProgress(epoch + 1, recipe.epochs, total / per_epoch, reached, phase)
    finally:
        shaping.end(trained)


def train_classifier(
    scenario: Scenario,
    arch: str,
    *,
    seed: int = 0,
    device: str = "cpu",
    recipe: ClassifierRecipe | None = None,
    protection: Protection | None = None,
    name: str | None = None,
    public: Path | None = None,
    source: str | None = None,
    exact: bool = False,
    resume: bool = False,
) -> Iterator[EpochProgress]:
    """Train and save one classifier of `scenario`; the weights replace those that were there.

    One that is cut short leaves a checkpoint, unless a defense shapes it: what that has learnt is its own.

    Args:
        protection: what a defense at training does; None for an undefended classifier.
        name: where the weights are kept; under their usual name if None.
        public, source: see `DefenseSetting`.
        exact: `recipe` has what the defense changes in it already, as that of a card has.
        resume: go on from the checkpoint, if there is one.

    Raises:
        UnknownName, KnobError, Incompatible, DataMissing, NotFinite.
        WeightsCorrupt: the checkpoint cannot be read, or is of another training.
    """
    recipe = recipe or recipe_for(scenario, arch, seed)
    split, start, guard = scenario.private, time.monotonic(), protection
    shaping = guard.shaping(DefenseSetting(scenario, arch, recipe.seed, device, public, source)) if guard else Shaping()
    changed = shaping.recipe(recipe)
    recipe = recipe if exact else changed

    def fresh() -> Classifier:
        torch.manual_seed(recipe.seed)
        model = Classifier(built_as(scenario, arch), scenario.input_shape, scenario.num_classes)
        if begun := ARCHITECTURES.entry(model.arch).info.pretrained:
            model.body.load_state_dict(shipped_body(begun))
        if recipe.zero_head:
            torch.nn.init.zeros_(model.head.get_parameter("weight"))
        return (guard.build(model) if guard else model).to(device)

    flips = scenario.flips and recipe.mirror
    kept = name or classifier_name(scenario.key, arch, guard.under.suffix if guard else "")
    facts = {"recipe": asdict(recipe), "images": len(split.train), "classes": scenario.num_classes}
    checkpoint = None if guard else EpochCheckpoint(checkpoint_of(kept), facts, resume)
    measured = dict(checkpoint.measured) if checkpoint is not None else {}
    model = fresh()
    if checkpoint is None or checkpoint.phase == 0:
        yield from shaping.prepare(model)
        yield from fit(
            model,
            shaping.data(split.train),
            recipe,
            flips=flips,
            check=split.heldout,
            phase=LEARNING,
            shaping=shaping,
            checkpoint=checkpoint,
        )
        measured = {"train_accuracy": accuracy(model, split.train), "heldout_accuracy": accuracy(model, split.heldout)}
    if recipe.everything:
        if checkpoint is not None:
            checkpoint.turn(1, measured)
        model = fresh()
        yield from fit(model, split.all, recipe, flips=flips, check=split.all, phase=EVERYTHING, checkpoint=checkpoint)
        measured["all_accuracy"] = accuracy(model, split.all)
    tensors = {k: v for k, v in model.state_dict().items()}
    defended = (
        {} if guard is None else {"defense": {"text": guard.under.text, "knobs": dict(guard.knobs), **shaping.facts()}}
    )
    save_weights(
        kept,
        tensors,
        {
            "what": f"{ARCHITECTURES.entry(model.arch).title} of {scenario.key}"
            + (f", {guard.title}" if guard else ""),
            "arch": model.arch,
            "scenario": scenario.key,
            "shape": list(scenario.input_shape),
            "num_classes": scenario.num_classes,
            "data": scenario.private_source,
            "recipe": asdict(recipe),
            **defended,
            **{k: round(v, 4) for k, v in measured.items()},
            "measured": "held-out accuracy is that of a model of this recipe trained without the held-out images"
            if recipe.everything
            else "accuracies on the scenario's own split",
            "images": len(split.all if recipe.everything else split.train),
            "seconds": round(time.monotonic() - start + (checkpoint.spent if checkpoint else 0.0), 1),
            "device": device,
            "threads": torch.get_num_threads(),
            "quality": "full",
        },
        half=True,
    )
    if checkpoint is not None:
        checkpoint.forget()
