"""p space: a style generator's w before its last activation, where coordinates are close to normal.

An et al., NDSS 2022 (MIRROR), section IV-C.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from workbench.priors import Prior

SLOPE = 0.2  # of the mapping network's last leaky ReLU
SAMPLES = 5000


@dataclass(frozen=True)
class PSpace:
    """A box in p space; for a prior without a mapping network, in its latents as they are.

    Attributes:
        low, high: (D,) bounds in p.
        activated: whether latents are w, the activation of p.
    """

    low: Tensor
    high: Tensor
    activated: bool

    @classmethod
    def of(cls, prior: Prior, rng: torch.Generator, reach: float, truncation: float = 1.0) -> PSpace:
        """Return the box of each coordinate's mean ± `reach` standard deviations over the prior's samples."""
        activated = prior.space == "w"
        drawn = prior.truncate(prior.sample(SAMPLES, rng), truncation)
        p = F.leaky_relu(drawn, 1 / SLOPE) if activated else drawn
        mean, half = p.mean(0), reach * p.std(0)
        return cls(mean - half, mean + half, activated)

    def to_p(self, w: Tensor) -> Tensor:
        """Return latents (..., D) before the mapping network's last activation."""
        return F.leaky_relu(w, 1 / SLOPE) if self.activated else w

    def to_w(self, p: Tensor) -> Tensor:
        """Return latents (..., D) after the mapping network's last activation; the inverse of `to_p`."""
        return F.leaky_relu(p, SLOPE) if self.activated else p

    def clip(self, w: Tensor) -> Tensor:
        """Return latents (..., D) moved into the box."""
        return self.to_w(torch.minimum(torch.maximum(self.to_p(w), self.low), self.high))
