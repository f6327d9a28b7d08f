"""Noise: every answer carries fresh Gaussian noise. An attacker who may ask again averages it away."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.core.knobs import knob
from workbench.defenses.base import Defense, defense
from workbench.defenses.parts.output import Released


@defense(
    "noise",
    title="Noise on confidences",
    stage="output",
    paper="Baseline",
    order=24,
    random=True,
    strength="deviation",
    levels=(0.1, 0.5, 2, 5),
    summary="Adds fresh noise to the log-confidences of every answer; the predicted class stays.",
)
@dataclass(frozen=True)
class Noise(Defense):
    deviation: float = knob(1.0, 0.01, 20.0, log=True, help="Standard deviation of the noise.", unit="nats")
    seed: int = knob(0, 0, 2**31 - 1, help="Which noise; the same questions in the same order get the same answers.")

    def wrap(self, target: nn.Module, trained: object = None) -> nn.Module:
        return Noisy(target, self.deviation, self.seed)


class Noisy(Released):
    def __init__(self, target: nn.Module, deviation: float, seed: int) -> None:
        super().__init__(target)
        self.deviation, self.rng = deviation, torch.Generator().manual_seed(seed)

    def release(self, confidences: Tensor, images: Tensor) -> Tensor:
        noise = torch.randn(confidences.shape, generator=self.rng).to(confidences.device)
        return (confidences.log() + self.deviation * noise).softmax(1)
