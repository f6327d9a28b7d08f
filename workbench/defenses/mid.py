"""MID: a stochastic layer before the logits bounds what they can tell of the image.

Wang et al., AAAI 2021, https://arxiv.org/abs/2009.05241: cross-entropy + β·I(X; Ŷ), the information
bounded as in the variational information bottleneck (Alemi et al., ICLR 2017): the hidden code z is
N(μ(x), σ(x)²) and pays its divergence from N(0, I). The noise stays when the model serves and under attack, as in the
released code: the mean alone would carry as much as it likes, and the bound would hold for nothing. So accuracies are
those with the noise, the same question may get different answers, and an attacker may average them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.core.knobs import knob
from workbench.defenses.base import Defense, defense
from workbench.targets import Classifier
from workbench.targets.randomness import Stochastic
from workbench.targets.training import DefenseSetting, Shaping


def divergence(mean: Tensor, deviation: Tensor) -> Tensor:
    """Return the divergence of N(mean, deviation²) from N(0, I) in nats, (n,), of (n, k) each."""
    return 0.5 * (mean**2 + deviation**2 - 1 - 2 * deviation.log()).sum(1)


class StochasticHead(Stochastic):
    """Features (n, F) to logits (n, K) by way of a random code (n, k), in training and when it serves.

    Attributes:
        paid: (n,) divergence of the last training batch's codes, in nats.
    """

    def __init__(self, features: int, code: int, num_classes: int) -> None:
        super().__init__()
        self.encode, self.classify = nn.Linear(features, 2 * code), nn.Linear(code, num_classes)
        self.paid: Tensor | None = None

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (n, K) of features (n, F)."""
        mean, deviation = self.code(features)
        if self.training:
            self.paid = divergence(mean, deviation)
        return self.classify(mean + deviation * self.noise(mean))

    def code(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and deviation of the code, (n, k) each, of features (n, F)."""
        mean, raw = self.encode(features).chunk(2, 1)
        return mean, F.softplus(raw - 5)


@defense(
    "mid",
    title="MID",
    stage="training",
    paper="Wang et al., AAAI 2021",
    order=2,
    random=True,
    strength="strength",
    levels=(0.01, 0.03, 0.1, 0.3),
    summary="A noisy bottleneck before the logits makes every bit about the image cost something.",
)
@dataclass(frozen=True)
class MID(Defense):
    strength: float = knob(0.03, 1e-5, 10.0, log=True, help="Weight β of the information that the code carries.")
    code: int = knob(64, 2, 512, help="Length k of the code.")

    def build(self, model: Classifier) -> Classifier:
        model.head = StochasticHead(model.width, self.code, model.num_classes)
        return model

    def shaping(self, case: DefenseSetting) -> Shaping:
        return BottleneckShaping(self.strength)


class BottleneckShaping(Shaping):
    """Charges for the information in the code."""

    def __init__(self, beta: float) -> None:
        self.beta, self.carried = beta, float("nan")

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor, done: float) -> Tensor:
        logits, head = model(images), _head(model)
        if head.paid is None:
            raise RuntimeError("MID's head pays for its code in training mode only")
        carried = head.paid.mean()
        self.carried = carried.item()
        return F.cross_entropy(logits, labels) + self.beta * carried

    def end(self, model: nn.Module) -> None:
        _head(model).paid = None

    def facts(self) -> dict[str, Any]:
        return {"nats_in_the_code": round(self.carried, 2), "noise": "drawn anew for every answer, under attack too"}


def _head(model: nn.Module) -> StochasticHead:
    head = model.get_submodule("head")
    if not isinstance(head, StochasticHead):
        raise TypeError(f"MID trains a classifier with a stochastic head, not one with {type(head).__name__}")
    return head
