"""The one loop in which every prior is trained: progress, averages, checkpoints, divergence, the card."""

from __future__ import annotations

import copy
import io
import pickle
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from workbench.core.errors import NotFinite, WeightsCorrupt
from workbench.core.records import UNDEFENDED, TrainedUnder
from workbench.core.weights import save_weights, write_atomically
from workbench.priors.base import Prior, Setting, weights_name
from workbench.priors.plane import principal_plane

ModuleT = TypeVar("ModuleT", bound=nn.Module)

EVERY = 20  # steps between reports
SAVE_EVERY = 250  # steps between checkpoints
CLOUD = 400  # samples drawn behind the latent plot


class Trainer(Protocol):
    """What a prior's training consists of; the loop around it is `train`.

    Attributes:
        total: optimiser steps.
        recipe: everything that shaped the training, as plain JSON values, for the card.
        parts: modules and optimisers by name; all that a checkpoint must hold.
        paper: where the recipe comes from.
    """

    @property
    def total(self) -> int: ...

    @property
    def recipe(self) -> Mapping[str, Any]: ...

    @property
    def parts(self) -> Mapping[str, nn.Module | torch.optim.Optimizer]: ...

    @property
    def paper(self) -> str: ...

    def step(self, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Take one optimiser step, counted from 0; return its losses, each a scalar tensor."""

    def prior(self) -> Prior:
        """Return the prior as it stands: a copy, in eval mode."""


@dataclass(frozen=True)
class TrainingProgress:
    """How far a training has come.

    Attributes:
        samples: (16, C, H, W) images in [0, 1] of fixed latents, at every checkpoint; else None.
    """

    step: int
    total: int
    losses: dict[str, float]
    seconds: float
    samples: Tensor | None = None


class MovingAverage(Generic[ModuleT]):
    """An exponential moving average of a module's parameters; buffers are copied."""

    def __init__(self, module: ModuleT, rate: float) -> None:
        self.kept, self.rate = copy.deepcopy(module).requires_grad_(False), rate

    @torch.no_grad()
    def update(self, module: ModuleT, step: int) -> None:
        """Take in what step `step`, counted from 0, has made of `module`; the first steps count for little."""
        rate = min(self.rate, (step + 1) / (step + 11))
        torch._foreach_lerp_([*self.kept.parameters()], [*module.parameters()], 1 - rate)
        for kept, now in zip(self.kept.buffers(), module.buffers(), strict=True):
            kept.copy_(now)


def augmented(images: Tensor, flips: bool, rng: torch.Generator) -> Tensor:
    """Return the batch (n, C, H, W) in [0, 1] with random mirror images and contrasts, or as it is where classes would change."""
    if not flips:
        return images
    mirrored = torch.rand(len(images), 1, 1, 1, generator=rng) < 0.5
    contrast = 0.65 + 0.4 * torch.rand(len(images), 1, 1, 1, generator=rng)
    images = torch.where(mirrored.to(images.device), images.flip(3), images)
    centre = images.mean((1, 2, 3), keepdim=True)
    return ((images - centre) * contrast.to(images.device) + centre).clamp(0, 1)


def batch_of(public: Tensor, size: int, rng: torch.Generator) -> Tensor:
    """Return `size` random rows (n, C, H, W) of `public` (N, C, H, W)."""
    return public[torch.randint(len(public), (size,), generator=rng).to(public.device)]


def train(
    key: str,
    trainer: Trainer,
    setting: Setting,
    *,
    source: str,
    checkpoint: Path | None = None,
    target: str | None = None,
    under: TrainedUnder = UNDEFENDED,
    name: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Iterator[TrainingProgress]:
    """Train and save a prior, yielding progress every 20 steps.

    What there is, is saved at every checkpoint, so that a training that is cut short still leaves a prior;
    its card then says ``finished: false``.

    Args:
        source: what the public images are, for the card.
        checkpoint: resumed from if it exists, written every 250 steps and when the caller closes this generator,
            removed at the end.
        target, under: what a tuned prior is tuned to.
        name: where the weights are saved, if not where `load_prior` looks for them.
        facts: what else the card says.

    Raises:
        NotFinite: a loss diverged; what the last checkpoint saved stays.
        WeightsCorrupt: the checkpoint cannot be read, or is another recipe's.
    """
    rng = torch.Generator().manual_seed(setting.seed)
    begun, spent = 0, 0.0
    if checkpoint is not None and checkpoint.exists():
        begun, spent = _restore(checkpoint, trainer, rng, setting.device)
    start = time.monotonic()

    def keep(done: int, seconds: float) -> None:
        if checkpoint is not None:
            _store(
                checkpoint,
                {
                    **{name: part.state_dict() for name, part in trainer.parts.items()},
                    "step": done,
                    "seconds": seconds,
                    "rng": rng.get_state(),
                    "quality": setting.quality,
                    "seed": setting.seed,
                },
            )

    for step in range(begun, trainer.total):
        torch.manual_seed(
            setting.seed * 1_000_003 + step
        )  # noise layers draw from it; a resumed training draws the same
        losses = trainer.step(step, rng)
        last = step + 1 == trainer.total
        due = (step + 1) % SAVE_EVERY == 0 or last
        if not due and step % EVERY:
            continue
        values = {name: value.item() for name, value in losses.items()}
        if not all(map(torch.isfinite, losses.values())):
            raise NotFinite(
                f"The training of the '{key}' prior diverged at step {step}: {values}. Nothing more was "
                "saved; lower the learning rate and start again."
            )
        seconds, samples = spent + time.monotonic() - start, None
        if due:
            keep(step + 1, seconds)
            place = name or weights_name(setting.scenario, key, target, under)
            samples = publish(
                key,
                trainer.prior(),
                setting,
                place,
                {
                    "data": source,
                    "public_images": len(setting.public),
                    "recipe": dict(trainer.recipe),
                    "steps": step + 1,
                    "quality": setting.quality,
                    "finished": last,
                    "seconds": round(seconds, 1),
                    "device": setting.device.type,
                    "threads": torch.get_num_threads(),
                    "seed": setting.seed,
                    "paper": trainer.paper,
                    **(facts or {}),
                    **({"target": target, "defense": under.text or "none"} if target else {}),
                },
            )
        try:
            yield TrainingProgress(step + 1, trainer.total, values, seconds, samples)
        except GeneratorExit:
            keep(step + 1, seconds)
            raise
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)


def checkpoint_facts(path: Path) -> dict[str, Any]:
    """Return the step, quality and seed of a checkpoint, without reading its weights; empty if there is none or it is damaged."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        return {name: state[name] for name in ("step", "quality", "seed")}
    except (OSError, EOFError, RuntimeError, KeyError, ValueError, pickle.UnpicklingError):
        return {}


def _restore(path: Path, trainer: Trainer, rng: torch.Generator, device: torch.device) -> tuple[int, float]:
    """Bring trainer and generator to where a checkpoint left them; return its step and the seconds spent."""
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        for name, part in trainer.parts.items():
            part.load_state_dict(state[name])
        rng.set_state(state["rng"].cpu())
        return state["step"], state["seconds"]
    except (OSError, EOFError, RuntimeError, KeyError, ValueError, pickle.UnpicklingError) as error:
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise WeightsCorrupt(
            f"The checkpoint {path} cannot be resumed: it is damaged or of another recipe ({why}). "
            "Start without --resume, or remove it."
        ) from None


def _store(path: Path, state: dict[str, Any]) -> None:
    held = io.BytesIO()
    torch.save(state, held)
    write_atomically(path, held.getvalue())


@torch.no_grad()
def publish(key: str, model: Prior, setting: Setting, name: str, card: Mapping[str, Any]) -> Tensor:
    """Save a prior with the planes on which its latents and images are drawn; return 16 of its samples, (16, C, H, W)."""
    rng = torch.Generator().manual_seed(setting.seed + 1)
    drawn = [
        (z, model.decode(z, labels)) for z, labels in _draws(model, -(-model.shown // 100), min(100, model.shown), rng)
    ]
    latents, images = (torch.cat(part) for part in zip(*drawn, strict=True))
    tensors = dict(model.state_dict())
    planes = {
        "plane": model.latent_plane(latents.flatten(1), images),
        "image_plane": principal_plane(images.flatten(1)),
    }
    for plane, found in planes.items():
        tensors |= {
            f"{plane}.centre": found.centre,
            f"{plane}.basis": found.basis,
            f"{plane}.cloud": found.cloud[:CLOUD],
        }
    save_weights(
        name,
        tensors,
        {"what": f"{key} prior of {setting.scenario}", "architecture": model.architecture, **card},
        half=True,
    )
    return images[:16].cpu()


def _draws(model: Prior, rounds: int, size: int, rng: torch.Generator) -> Iterator[tuple[Tensor, Tensor | None]]:
    for _ in range(rounds):
        latents, labels = model.sample(size, rng), None
        if model.conditional:
            labels = torch.randint(model.num_classes, (size,), generator=rng).to(latents.device)
        yield latents, labels


@torch.no_grad()
def settle_norms(model: Prior, rng: torch.Generator) -> None:
    """Take batch-norm statistics on the prior's own samples, which is what it will decode from now on."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative average: every sample counts alike
    model.train()
    for latents, labels in _draws(model, 8, 128, rng):
        model.decode(latents, labels)
    model.eval()
