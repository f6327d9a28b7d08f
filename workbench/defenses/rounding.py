"""Rounding: confidences are released as multiples of a step. Fredrikson et al., CCS 2015, section 6.2."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from workbench.core.knobs import knob
from workbench.defenses.base import Defense, defense
from workbench.defenses.parts.output import Released


@defense(
    "rounding",
    title="Rounding",
    stage="output",
    paper="Fredrikson et al., CCS 2015, section 6.2",
    order=20,
    strength="step",
    levels=(0.001, 0.01, 0.05, 0.2),
    summary="Releases confidences rounded to a step, so that small changes of an image do not show.",
)
@dataclass(frozen=True)
class Rounding(Defense):
    step: float = knob(0.05, 1e-4, 0.5, log=True, help="Confidences are rounded to the nearest multiple of this.")

    def wrap(self, target: nn.Module, trained: object = None) -> nn.Module:
        return Rounded(target, self.step)


class Rounded(Released):
    def __init__(self, target: nn.Module, step: float) -> None:
        super().__init__(target)
        self.step = step

    def release(self, confidences: Tensor, images: Tensor) -> Tensor:
        return (confidences / self.step).round() * self.step
