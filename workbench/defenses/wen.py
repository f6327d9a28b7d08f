"""Adversarial noise on the output: confidences are moved to where the defender's own inversion network errs most.

Wen, Yiu and Hui, IEEE CSR 2021, https://doi.org/10.1109/csr51186.2021.9527945; no code of the authors was found,
so this is after the paper's description. The defender trains an inversion network G as an attacker would. Before an answer leaves, a few
steps along the sign of the gradient raise ‖G(p') − x‖² while ‖p' − p‖₁ stays below a budget and the
predicted class stays what it is. An attacker may train on the released answers instead.

Departs from the paper: G is trained on the private images, which the owner has, where the paper makes do without.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.core.knobs import knob
from workbench.core.shapes import Shape
from workbench.defenses.base import Defense, defense
from workbench.defenses.parts.output import Released
from workbench.targets import Classifier
from workbench.targets.training import ClassifierRecipe, DefenseSetting, EpochProgress, warp

STEPS, REPORTS, BATCH = 600, 12, 64
FAINTEST = 1e-6  # smaller confidences all look alike to the inversion network


@defense(
    "wen",
    title="Adversarial noise",
    stage="output",
    paper="Wen et al., IEEE CSR 2021, after the paper's description",
    order=31,
    strength="budget",
    levels=(0.05, 0.2, 0.5, 1.0),
    summary="Moves each confidence vector to where the defender's own inversion network is most mistaken.",
)
@dataclass(frozen=True)
class AdversarialNoise(Defense):
    budget: float = knob(0.5, 0.001, 2.0, log=True, help="How much confidence may move in all, ‖p' − p‖₁.")
    steps: int = knob(8, 1, 100, help="Gradient steps for each answer.", unit="steps")
    size: float = knob(0.5, 0.01, 5.0, log=True, help="Length of a step in each log-confidence.", unit="nats")
    learns = True

    def wrap(self, target: Classifier, trained: Mapping[str, Tensor] | None = None) -> nn.Module:
        released = Misleading(target, self)
        if trained:
            released.load_state_dict(trained, strict=False)
        return released

    def learn(self, released: Released, case: DefenseSetting) -> Iterator[EpochProgress]:
        if not isinstance(released, Misleading):
            raise TypeError(f"adversarial noise is learnt by what it wraps, not by {type(released).__name__}")
        train, rng = case.scenario.private.train, torch.Generator().manual_seed(case.seed)
        optimiser = torch.optim.Adam(released.inverse.parameters(), 1e-3)
        released.inverse.train()
        for step in range(1, STEPS + 1):
            index = torch.randint(len(train), (BATCH,), generator=rng)
            images = warp(train.images[index], ClassifierRecipe(), case.scenario.flips, rng).to(case.device)
            with torch.no_grad():
                confidences = released.target(images).softmax(1)
            loss = (released.inverse(confidences) - images).pow(2).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            if step % (STEPS // REPORTS) == 0:
                yield EpochProgress(step, STEPS, loss.item(), float("nan"), "the defender's inversion network")
        released.eval()


class InversionNetwork(nn.Module):
    """Confidences (n, K) to images (n, C, H, W) in [0, 1]."""

    def __init__(self, classes: int, shape: Shape) -> None:
        super().__init__()
        channels, height, across = shape
        doublings = (min(height, across) // 4).bit_length() - 1
        self.size, self.first = (height, across), (-(-height // 2**doublings), -(-across // 2**doublings))
        width = 96
        layers: list[nn.Module] = []
        self.start = nn.Linear(classes, width * math.prod(self.first))
        for _ in range(doublings):
            layers += [nn.ConvTranspose2d(width, max(24, width // 2), 4, 2, 1), nn.ReLU()]
            width = max(24, width // 2)
        self.grow = nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=1))

    def forward(self, confidences: Tensor) -> Tensor:
        """Return images (n, C, H, W) in [0, 1] of confidences (n, K)."""
        logs = confidences.clamp_min(FAINTEST).log()
        code = self.start((logs - logs.mean(1, keepdim=True)) / 5)
        images = self.grow(code.unflatten(1, (-1, *self.first)).relu()).sigmoid()
        return images[..., : self.size[0], : self.size[1]]


class Misleading(Released):
    """Releases confidences that its own inversion network gets most wrong."""

    def __init__(self, target: Classifier, how: AdversarialNoise) -> None:
        super().__init__(target)
        self.how, self.inverse = how, InversionNetwork(target.num_classes, target.shape)

    def release(self, confidences: Tensor, images: Tensor) -> Tensor:
        moved, winners = confidences, self.labels(confidences)
        for _ in range(self.how.steps):
            with torch.enable_grad():
                logs = moved.clamp_min(FAINTEST).log().requires_grad_(True)
                error = (self.inverse(logs.softmax(1)) - images).pow(2).sum()
                (slope,) = torch.autograd.grad(error, logs)
            moved = within(
                (logs.detach() + self.how.size * slope.sign()).softmax(1), confidences, winners, self.how.budget
            )
        return moved


def within(moved: Tensor, confidences: Tensor, winners: Tensor, budget: float) -> Tensor:
    """Return the point on the way from `confidences` to `moved`, both (n, K), that is as far as is allowed.

    Allowed is ‖p' − p‖₁ ≤ budget with p' highest in `winners` (n,).
    """
    way = moved - confidences
    lead = confidences.gather(1, winners[:, None]) - confidences
    lost = way - way.gather(1, winners[:, None])  # how much of the lead each class takes on the whole way
    reach = torch.where(lost > lead, lead / lost.clamp_min(1e-12), torch.ones_like(lead)).amin(1, keepdim=True)
    reach = torch.minimum(reach, budget / way.abs().sum(1, keepdim=True).clamp_min(1e-12))
    return confidences + reach.clamp(0, 1) * way
