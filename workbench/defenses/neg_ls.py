"""Negative label smoothing: training pushes the wrong classes below what the labels ask for.

Struppek, Hintersdorf and Kersting, ICLR 2024, https://arxiv.org/abs/2310.06549, equation 3 with α < 0.
Positive α, ordinary smoothing, makes inversion easier, which the paper shows as well.

Departs from the released code: its ramp ends at half of α and then jumps; here it ends at α.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from workbench.core.knobs import knob
from workbench.defenses.base import Defense, defense
from workbench.targets.training import DefenseSetting, Shaping

RAMP = (0.5, 0.75)  # shares of the epochs between which a negative α grows from 0; the loss has no floor


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
        return Smoothed(self.alpha)


class Smoothed(Shaping):
    """Trains with the smoothed loss."""

    def __init__(self, alpha: float) -> None:
        self.alpha = alpha

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor, done: float) -> Tensor:
        return smoothed_loss(model(images), labels, smoothing_at(self.alpha, done)).mean()
