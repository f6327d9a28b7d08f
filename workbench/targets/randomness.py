"""Layers that answer at random when a target serves, and whose draws they take.

Their noise comes from a generator of their own, never from torch's global one: what else draws numbers then changes no
answer, and a session that begins from the same seed is told the same.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Stochastic(nn.Module):
    """A layer with noise in it.

    Attributes:
        rng: what the noise is drawn from.
        draws: how many draws one answer is the mean of; 1 for the layer as it is, more for who averages.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rng, self.draws = torch.Generator().manual_seed(0), 1

    def noise(self, like: Tensor) -> Tensor:
        """Return the mean of `draws` draws of standard normal noise, (n, k), for `like` (n, k)."""
        drawn = torch.randn(self.draws, *like.shape, generator=self.rng)
        return drawn.mean(0).to(like)


def random_layers(model: nn.Module) -> list[Stochastic]:
    """Return the layers of `model` that answer at random."""
    return [layer for layer in model.modules() if isinstance(layer, Stochastic)]
