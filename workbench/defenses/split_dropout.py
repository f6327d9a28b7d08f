"""Dropout at a split: the client leaves out a share of the activations that it sends.

He, Zhang and Lee, ACSAC 2019, section 8, https://doi.org/10.1145/3359789.3359824.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.core.knobs import knob
from workbench.defenses.base import Defense, defense
from workbench.targets.split import Guard


@defense(
    "split-dropout",
    title="Dropout at the split",
    stage="split",
    paper="He et al., ACSAC 2019",
    order=41,
    random=True,
    strength="share",
    levels=(0.1, 0.3, 0.5, 0.8),
    summary="The client sets a random share of the hidden layer's output to zero, and scales up the rest.",
)
@dataclass(frozen=True)
class SplitDropout(Defense):
    share: float = knob(0.5, 0.01, 0.99, help="Of the activations, that is left out.")

    def guard(self, examples: Tensor) -> Guard:
        return Dropping(self.share)


class Dropping(Guard):
    """Args: share: of the activations, that is left out, 0 to 1."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, activations: Tensor) -> Tensor:
        """Return activations (n, ...) with a share of them 0 and the rest larger by as much."""
        drawn = torch.rand(activations.shape, generator=self.rng).to(activations.device)
        return activations * (drawn >= self.share) / (1 - self.share)
