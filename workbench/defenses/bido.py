"""BiDO: hidden layers shall depend little on the image and much on the label.

Peng et al., KDD 2022, https://arxiv.org/abs/2206.05483, equation 4: cross-entropy
+ Σ_j [λ_x d(Z_j, X) − λ_y d(Z_j, Y)] over hidden blocks Z_j, with d the normalised HSIC or COCO.

Batches hold several images of each of a few classes: where nearly every image of a batch is alone in its class, the labels'
kernel is the identity, and the second term asks that all images be told apart, which is the opposite of the first. The card
says the dependence of the layers on the image beside that of the undefended target, and warns where it did not fall.

Departs from the released code: as shipped it trains with both weights zero, on batches drawn at random; here the paper's
weights for the measure are the default, times a strength. The centring is applied from both sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count, islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.core.knobs import knob
from workbench.defenses.base import Defense, defense
from workbench.defenses.parts.balanced import balanced_batches
from workbench.defenses.parts.kernel_dependence import coco, gaussian_kernel, hsic, linear_kernel
from workbench.defenses.store import load_classifier, target_problem
from workbench.scenarios import Labelled
from workbench.targets import ARCHITECTURES, Classifier
from workbench.targets.training import ClassifierRecipe, DefenseSetting, EpochProgress, Shaping

MEASURES = {"hsic": hsic, "coco": coco}
WEIGHTS = {"hsic": (0.05, 0.5), "coco": (1.0, 50.0)}  # λ_x, λ_y: the paper's for CelebA, and for MNIST
MEASURED = 5  # batches on which the card's figures are taken
ACTIVATIONS = (nn.ReLU, nn.ELU, nn.Sigmoid)


def hidden_blocks(model: nn.Module) -> list[nn.Module]:
    """Return the modules whose outputs count as hidden layers: blocks and activations of the body, from the image on."""
    parts = list(model.body.children()) if isinstance(model, Classifier) else []
    if isinstance(model, Classifier) and not isinstance(model.body, nn.Sequential):  # such as MobileFaceNet, of stages
        parts = [block for part in parts for block in (part if isinstance(part, nn.Sequential) else [part])]
    return [layer for layer in parts if isinstance(layer, ACTIVATIONS) or list(layer.children())]


def may_change(layer: nn.Module) -> bool:
    """Return whether training can change what a layer puts out for what it is given."""
    weights = list(layer.parameters())
    return not weights or any(p.requires_grad for p in weights)


@contextmanager
def outputs_of(layers: list[nn.Module]) -> Iterator[list[Tensor]]:
    """Collect what `layers` put out while the block runs, each flattened to (n, D)."""
    found: list[Tensor] = []
    hooks = [layer.register_forward_hook(lambda _, __, out: found.append(out.flatten(1))) for layer in layers]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


@defense(
    "bido",
    title="BiDO",
    stage="training",
    paper="Peng et al., KDD 2022",
    order=1,
    strength="strength",
    levels=(1, 3, 10, 30),
    summary="Trains hidden layers to say little of the image and much of the label.",
)
@dataclass(frozen=True)
class BiDO(Defense):
    strength: float = knob(10.0, 0.01, 100.0, log=True, help="Times the paper's weights of both terms.")
    measure: str = knob(
        "hsic", choices={"hsic": "HSIC (normalised)", "coco": "COCO"}, help="How dependence is measured."
    )
    input: float = knob(1.0, 0.0, 100.0, help="Further factor of the term that drives the image out.")
    label: float = knob(1.0, 0.0, 100.0, help="Further factor of the term that draws the label in.")

    def problem(self, arch: str) -> str | None:
        if hidden_blocks(Classifier(arch, (1, 32, 32), 2)):
            return None
        return f"BiDO shapes hidden layers, and the {ARCHITECTURES.entry(arch).title.lower()} has none. Choose another target."

    def shaping(self, case: DefenseSetting) -> Shaping:
        return BothWays(self, case)


class BothWays(Shaping):
    """Adds the bilateral dependency to cross-entropy, on batches of a few classes."""

    def __init__(self, how: BiDO, case: DefenseSetting) -> None:
        self.case, self.batch = case, 0
        self.model: Classifier | None = None
        self.train = Labelled(torch.empty(0), torch.empty(0, dtype=torch.long))
        self.measure = MEASURES[how.measure]
        away, towards = WEIGHTS[how.measure]
        self.away, self.towards = how.strength * how.input * away, how.strength * how.label * towards

    def recipe(self, recipe: ClassifierRecipe) -> ClassifierRecipe:
        self.batch = recipe.batch
        return recipe

    def prepare(self, model: Classifier) -> Iterator[EpochProgress]:
        self.model = model
        yield from ()

    def data(self, train: Labelled) -> Labelled:
        self.train = train
        return train

    def batches(self, rows: int, size: int, rng: torch.Generator) -> Iterator[Tensor]:
        return balanced_batches(self.train.labels, size, rng)

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor, done: float) -> Tensor:
        with outputs_of([layer for layer in hidden_blocks(model) if may_change(layer)]) as hidden:
            logits = model(images)
        x = gaussian_kernel(images.flatten(1))
        y = linear_kernel(F.one_hot(labels, logits.shape[1]).to(logits.dtype))
        kernels = [gaussian_kernel(z) for z in hidden]
        dependency = sum(self.away * self.measure(z, x) - self.towards * self.measure(z, y) for z in kernels)
        return F.cross_entropy(logits, labels) + dependency

    def facts(self) -> dict[str, Any]:
        if self.model is None:
            raise RuntimeError("BiDO's figures are taken once it has trained a model")
        scenario, arch = self.case.scenario.key, self.case.arch
        self.model.eval()
        after = image_dependence(self.model, self.train, self.batch)
        told: dict[str, Any] = {"hsic_with_image_by_layer": rounded(after), "hsic_with_image": mean(after)}
        if problem := target_problem(scenario, arch):
            return {
                **told,
                "warning": f"Whether the layers say less of the image than without BiDO is unknown. {problem}",
            }
        before = image_dependence(load_classifier(scenario, arch, device=self.case.device), self.train, self.batch)
        told |= {"hsic_with_image_undefended_by_layer": rounded(before), "hsic_with_image_undefended": mean(before)}
        if mean(after) >= mean(before):
            told["warning"] = (
                f"The hidden layers depend more on the image than without BiDO, HSIC {mean(after)} against "
                f"{mean(before)}: this model is not defended. Raise 'input', or lower 'label'."
            )
        return told


@torch.no_grad()
def image_dependence(model: Classifier, data: Labelled, size: int) -> list[float]:
    """Return HSIC(Z_j, X) of each hidden block, image side first, the mean of batches of `size` images of a few classes."""
    device, rng = next(model.parameters()).device, torch.Generator().manual_seed(0)
    epochs = (balanced_batches(data.labels, size, rng) for _ in count())
    found = []
    for index in islice(chain.from_iterable(epochs), MEASURED):
        images = data.images[index].to(device)
        with outputs_of(hidden_blocks(model)) as hidden:
            model(images)
        x = gaussian_kernel(images.flatten(1))
        found.append([hsic(gaussian_kernel(z), x).item() for z in hidden])
    return [sum(layer) / MEASURED for layer in zip(*found, strict=True)]


def rounded(values: list[float]) -> list[float]:
    return [round(value, 2) for value in values]


def mean(values: list[float]) -> float:
    return round(sum(values) / len(values), 2)
