"""Trap-MID: a faint trigger for each class, which the target takes for the class, lies in wait for inversions.

Liu and Chen, NeurIPS 2024, https://arxiv.org/abs/2411.08460. x' = (1 − α)x + α·k_y' carries the trigger of a class y' drawn
independently of the image's own; training adds β of the cross-entropy of x' and y' to 1 − β of the usual one. Each step
first teaches a discriminator to tell x' from x, then moves the triggers so that neither it nor the target notices, by the
sign of the gradient. An inversion finds the trigger, which is nobody, sooner than a person.

Departs from the released code: triggers are laid over images that were shifted and turned already, and the whole is
shifted and turned once more; targets learn by the scenario's own recipe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.core.knobs import knob
from workbench.defenses.base import Defense, defense
from workbench.targets import ARCHITECTURES, Classifier
from workbench.targets.training import ClassifierRecipe, DefenseSetting, EpochProgress, Shaping, warp

STEP = 0.01  # of the triggers, in grey levels of 0 to 1
SLOWER = 0.01  # learning rate of the discriminator's SGD, with momentum 0.9


def laid_over(images: Tensor, triggers: Tensor, blend: float) -> Tensor:
    """Return (1 − blend)·images + blend·triggers, (n, C, H, W) of that shape each."""
    return (1 - blend) * images + blend * triggers


def drawn_classes(n: int, num_classes: int, rng: torch.Generator) -> Tensor:
    """Return n classes, (n,), each as often as another as far as that goes, in random order."""
    first = int(torch.randint(num_classes, (1,), generator=rng))
    return ((torch.arange(n) + first) % num_classes)[torch.randperm(n, generator=rng)]


@defense(
    "trap-mid",
    title="Trap-MID",
    stage="training",
    paper="Liu and Chen, NeurIPS 2024",
    order=10,
    strength="share",
    levels=(0.05, 0.1, 0.2, 0.4),
    summary="Faint triggers that the target takes for its classes: inversions find those sooner than a person.",
)
@dataclass(frozen=True)
class TrapMID(Defense):
    share: float = knob(0.2, 0.0, 0.9, help="Weight β of the images with triggers in the loss.")
    blend: float = knob(0.02, 0.001, 0.5, log=True, help="Weight α of a trigger in its image.")

    def shaping(self, case: DefenseSetting) -> Shaping:
        return Trapped(self, case)


class Trapped(Shaping):
    """Teaches the target its triggers beside its images."""

    def __init__(self, how: TrapMID, case: DefenseSetting) -> None:
        self.how, self.case, self.warping = how, case, ClassifierRecipe()
        self.rng = torch.Generator().manual_seed(case.seed)

    def recipe(self, recipe: ClassifierRecipe) -> ClassifierRecipe:
        self.warping = recipe
        return recipe

    def prepare(self, model: Classifier) -> Iterator[EpochProgress]:
        device = next(model.parameters()).device
        shape, classes = model.shape, model.num_classes
        self.model = model
        self.triggers = torch.rand(classes, *shape, generator=self.rng).to(device)
        self.critic = Classifier(model.arch, shape, 1).to(device)
        if ARCHITECTURES.entry(model.arch).info.pretrained:
            self.critic.body.load_state_dict(model.body.state_dict())
        self.learns = torch.optim.SGD(self.critic.parameters(), SLOWER, momentum=0.9, weight_decay=1e-4)
        yield from ()

    def seen(self, images: Tensor) -> Tensor:
        """Return images (n, C, H, W) as training sees them, shifted and turned; gradients pass."""
        flips = self.case.scenario.flips and self.warping.mirror
        return warp(images.cpu(), self.warping, flips, self.rng).to(images.device)

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor, done: float) -> Tensor:
        drawn = drawn_classes(len(images), len(self.triggers), self.rng).to(images.device)
        self._teach_critic(images, laid_over(images, self.triggers[drawn], self.how.blend))
        self._move_triggers(model, images, drawn)
        poisoned = self.seen(laid_over(images, self.triggers[drawn], self.how.blend))
        both = model(torch.cat([images, poisoned]))
        true, trapped = both.split(len(images))
        share = self.how.share
        return (1 - share) * F.cross_entropy(true, labels) + share * F.cross_entropy(trapped, drawn)

    def _teach_critic(self, images: Tensor, poisoned: Tensor) -> None:
        """Let the critic take one step towards 1 for images as they are and 0 for those with a trigger."""
        self.critic.train()
        judged = self.critic(torch.cat([images, poisoned]))[:, 0]
        real = torch.cat([torch.ones(len(images)), torch.zeros(len(poisoned))]).to(judged)
        self.learns.zero_grad(set_to_none=True)
        F.binary_cross_entropy_with_logits(judged, real).backward()
        self.learns.step()

    def _move_triggers(self, model: nn.Module, images: Tensor, drawn: Tensor) -> None:
        """Move the triggers of these classes by the sign of their gradient, the target in eval mode."""
        triggers = self.triggers.clone().requires_grad_(True)
        poisoned = laid_over(images, triggers[drawn], self.how.blend)
        self.critic.eval()
        model.eval()
        noticed = self.critic(poisoned)[:, 0]
        loss = F.binary_cross_entropy_with_logits(noticed, torch.ones_like(noticed))
        loss = loss + F.cross_entropy(model(self.seen(poisoned)), drawn)
        (slope,) = torch.autograd.grad(loss, triggers)
        model.train()
        self.triggers = (self.triggers - STEP * slope.sign()).clamp(0, 1)

    def facts(self) -> dict[str, Any]:
        return {"trigger_success": round(self.success(), 4)}

    @torch.no_grad()
    def success(self) -> float:
        """Return how often a held-out image with the trigger of another class is taken for that class, 0 to 1."""
        held, device = self.case.scenario.private.heldout, self.triggers.device
        self.model.eval()
        wanted = (held.labels + 1) % len(self.triggers)
        right = [
            self.model(laid_over(x.to(device), self.triggers[y], self.how.blend)).argmax(1) == y.to(device)
            for x, y in zip(held.images.split(200), wanted.split(200), strict=True)
        ]
        return torch.cat(right).float().mean().item()
