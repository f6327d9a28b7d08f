"""Low rank at a split: the client sends only what the few strongest directions hold of its activations.

Principal components as in Osia et al., IEEE Internet of Things Journal 2020, https://arxiv.org/abs/1703.02952: what the
server's half needs is mostly in few directions, and what would draw the picture is mostly in the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.core.knobs import knob
from workbench.defenses.base import Defense, defense
from workbench.targets.split import Guard


@defense(
    "split-low-rank",
    title="Low rank at the split",
    stage="split",
    paper="Osia et al., IEEE IoT Journal 2020",
    order=42,
    strength="rank",
    levels=(64, 32, 16, 8),
    summary="The client sends the hidden layer's output as a few principal components of its training images hold it.",
)
@dataclass(frozen=True)
class SplitLowRank(Defense):
    rank: int = knob(16, 1, 200, log=True, help="How many principal components are kept.")

    def guard(self, examples: Tensor) -> Guard:
        return Projecting(examples, self.rank)


class Projecting(Guard):
    """Projects on the `rank` strongest directions of `examples` (M, *S), around their mean; fewer where there are fewer."""

    centre: Tensor
    directions: Tensor

    def __init__(self, examples: Tensor, rank: int) -> None:
        super().__init__()
        rows = examples.flatten(1)
        centre = rows.mean(0)
        # Of few rows with many entries each: the directions come from the small matrix of their products.
        products = torch.linalg.eigh((rows - centre) @ (rows - centre).T)
        kept = min(rank, len(rows) - 1, rows.shape[1])
        weights = products.eigenvectors[:, -kept:] / products.eigenvalues[-kept:].clamp_min(1e-12).sqrt()
        self.register_buffer("centre", centre)
        self.register_buffer("directions", (rows - centre).T @ weights)

    def expected(self, activations: Tensor) -> Tensor:
        """Return what the strongest directions hold of activations (n, ...), of their shape."""
        apart = activations.flatten(1) - self.centre
        return (self.centre + (apart @ self.directions) @ self.directions.T).view_as(activations)
