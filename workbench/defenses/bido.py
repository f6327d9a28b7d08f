"""BiDO: hidden layers shall depend little on the image and much on the label.

Peng et al., KDD 2022, https://arxiv.org/abs/2206.05483, equation 4: cross-entropy
+ Σ_j [λ_x d(Z_j, X) − λ_y d(Z_j, Y)] over hidden blocks Z_j, with d the normalised HSIC or COCO.

Departs from the released code: as shipped it trains with both weights zero; here the paper's weights for
the measure are the default, times a strength. The centring is applied from both sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.core.knobs import knob
from workbench.defenses.base import Defense, defense
from workbench.defenses.parts.kernel_dependence import coco, gaussian_kernel, hsic, linear_kernel
from workbench.targets import ARCHITECTURES, Classifier
from workbench.targets.training import DefenseSetting, Shaping

MEASURES = {"hsic": hsic, "coco": coco}
WEIGHTS = {"hsic": (0.05, 0.5), "coco": (1.0, 50.0)}  # λ_x, λ_y: the paper's for CelebA, and for MNIST
ACTIVATIONS = (nn.ReLU, nn.ELU, nn.Sigmoid)


def hidden_blocks(model: nn.Module) -> list[nn.Module]:
    """Return the modules whose outputs count as hidden layers: residual blocks and activations of the body."""
    body = list(model.body.children()) if isinstance(model, Classifier) else []
    return [layer for layer in body if isinstance(layer, ACTIVATIONS) or list(layer.children())]


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
    levels=(0.3, 1, 3, 10),
    summary="Trains hidden layers to say little of the image and much of the label.",
)
@dataclass(frozen=True)
class BiDO(Defense):
    strength: float = knob(1.0, 0.01, 100.0, log=True, help="Times the paper's weights of both terms.")
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
        return BothWays(self)


class BothWays(Shaping):
    """Adds the bilateral dependency to cross-entropy."""

    def __init__(self, how: BiDO) -> None:
        self.measure = MEASURES[how.measure]
        away, towards = WEIGHTS[how.measure]
        self.away, self.towards = how.strength * how.input * away, how.strength * how.label * towards

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor, done: float) -> Tensor:
        with outputs_of(hidden_blocks(model)) as hidden:
            logits = model(images)
        x = gaussian_kernel(images.flatten(1))
        y = linear_kernel(F.one_hot(labels, logits.shape[1]).to(logits.dtype))
        kernels = [gaussian_kernel(z) for z in hidden]
        dependency = sum(self.away * self.measure(z, x) - self.towards * self.measure(z, y) for z in kernels)
        return F.cross_entropy(logits, labels) + dependency
