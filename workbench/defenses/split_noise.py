"""Noise at a split: the client adds Gaussian noise to each activation before it sends it.

He, Zhang and Lee, ACSAC 2019, section 8, https://doi.org/10.1145/3359789.3359824.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from workbench.core.knobs import knob
from workbench.defenses.base import Defense, defense
from workbench.targets.split import Guard


@defense(
    "split-noise",
    title="Noise at the split",
    stage="split",
    paper="He et al., ACSAC 2019",
    order=40,
    random=True,
    strength="deviation",
    levels=(0.1, 0.3, 1, 3),
    summary="The client adds noise to the hidden layer's output before it sends it.",
)
@dataclass(frozen=True)
class SplitNoise(Defense):
    deviation: float = knob(0.5, 0.01, 20.0, log=True, help="Of the noise, in deviations of the layer's output.")

    def guard(self, examples: Tensor) -> Guard:
        return NoisyActivations(self.deviation * examples.std().item())


class NoisyActivations(Guard):
    """Args: deviation: of the noise, in the layer's own units."""

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, activations: Tensor) -> Tensor:
        """Return activations (n, ...) with noise of their own spread."""
        return activations + self.deviation * self.noise(activations)
