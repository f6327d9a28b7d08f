"""Negative label smoothing: training pushes the wrong classes below what the labels ask for.

Struppek, Hintersdorf and Kersting, ICLR 2024, https://arxiv.org/abs/2310.06549, equation 3 with α < 0.
Positive α, ordinary smoothing, makes inversion easier, which the paper shows as well.

The margin grows step by step without end, so where a class has few images, training goes on for more epochs than the
undefended target's. The card says how far the margin has come.

Departs from the released code: its ramp ends at half of α and then jumps; here it ends at α.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from workbench.core.knobs import knob
from workbench.defenses.base import Defense, defense
from workbench.defenses.store import load_classifier, target_problem
from workbench.scenarios import Labelled
from workbench.targets import Classifier
from workbench.targets.training import ClassifierRecipe, DefenseSetting, EpochProgress, Shaping

RAMP = (0.5, 0.75)  # shares of the epochs between which a negative α grows from 0; the loss has no floor

EPOCHS = 3  # times the recipe's, where a class has fewer images than
FEW = 50


def smoothed_loss(logits: Tensor, labels: Tensor, alpha: float) -> Tensor:
    """Return (1 − α)(−log p_y) + α·mean_j(−log p_j) in nats, (n,), of logits (n, K) and labels (n,)."""
    logs = -logits.log_softmax(1)
    return (1 - alpha) * logs.gather(1, labels[:, None])[:, 0] + alpha * logs.mean(1)


def smoothing_at(alpha: float, done: float) -> float:
    """Return α after a share `done` of the epochs; a negative one is brought in slowly."""
    if alpha >= 0:
        return alpha
    begin, end = RAMP
    return alpha * min(1.0, max(0.0, (done - begin) / (end - begin)))


@defense(
    "neg-ls",
    title="Negative label smoothing",
    stage="training",
    paper="Struppek et al., ICLR 2024",
    order=3,
    strength="alpha",
    levels=(0.1, -0.02, -0.05, -0.1, -0.2),
    summary="Over-confident labels: the loss goes on rewarding a margin that says nothing of the image.",
)
@dataclass(frozen=True)
class NegativeSmoothing(Defense):
    alpha: float = knob(-0.05, -0.5, 0.5, help="Smoothing; negative protects, positive helps the attacker.")

    def shaping(self, case: DefenseSetting) -> Shaping:
        return Smoothed(self.alpha, case)


class Smoothed(Shaping):
    """Trains with the smoothed loss."""

    def __init__(self, alpha: float, case: DefenseSetting) -> None:
        self.alpha, self.case = alpha, case
        self.model: Classifier | None = None

    def recipe(self, recipe: ClassifierRecipe) -> ClassifierRecipe:
        scenario = self.case.scenario
        if self.alpha >= 0 or len(scenario.private.train) >= FEW * scenario.num_classes:
            return recipe
        return replace(recipe, epochs=EPOCHS * recipe.epochs)

    def prepare(self, model: Classifier) -> Iterator[EpochProgress]:
        self.model = model
        yield from ()

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor, done: float) -> Tensor:
        return smoothed_loss(model(images), labels, smoothing_at(self.alpha, done)).mean()

    def facts(self) -> dict[str, Any]:
        if self.model is None:
            raise RuntimeError("the margin is measured once a model has been trained")
        scenario, arch = self.case.scenario, self.case.arch
        told = {"logit_margin": margin(self.model, scenario.private.heldout)}
        if target_problem(scenario.key, arch) is None:
            undefended = load_classifier(scenario.key, arch, device=self.case.device)
            told["logit_margin_undefended"] = margin(undefended, scenario.private.heldout)
        return told


@torch.no_grad()
def margin(model: Classifier, data: Labelled) -> float:
    """Return how far the highest logit of an image is above the second, the mean of `data`."""
    device = next(model.parameters()).device
    model.eval()
    best = torch.cat([model(images.to(device)).topk(2, 1).values for images in data.images.split(200)])
    return round((best[:, 0] - best[:, 1]).mean().item(), 2)
