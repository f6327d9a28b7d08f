"""Temperature: logits are divided by a constant, so that the released confidences are flatter.

Guo et al., ICML 2017, https://arxiv.org/abs/1706.04599, section 4.2, there to calibrate.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from workbench.core.knobs import knob
from workbench.defenses.base import Defense, defense
from workbench.defenses.parts.output import Released


@defense(
    "temperature",
    title="Temperature",
    stage="output",
    paper="Guo et al., ICML 2017, section 4.2",
    order=21,
    strength="temperature",
    levels=(2, 4, 10, 50),
    summary="Releases flatter confidences. Every difference is still there, only smaller.",
)
@dataclass(frozen=True)
class Temperature(Defense):
    temperature: float = knob(4.0, 0.1, 100.0, log=True, help="Logits are divided by this; 1 changes nothing.")

    def wrap(self, target: nn.Module, trained: object = None) -> nn.Module:
        return Flattened(target, self.temperature)


class Flattened(Released):
    def __init__(self, target: nn.Module, temperature: float) -> None:
        super().__init__(target)
        self.temperature = temperature

    def release(self, confidences: Tensor, images: Tensor) -> Tensor:
        # Relative to the best, so that a low temperature does not underflow every class to zero.
        return (confidences / confidences.amax(1, keepdim=True)).pow(1 / self.temperature)
