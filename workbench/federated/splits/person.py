"""Every class is held by one participant alone, as people hold their own photographs."""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.federated.splits.base import split


@split("person", title="One person each", order=3)
def person(labels: Tensor, participants: int, alpha: float, rng: torch.Generator) -> list[Tensor]:
    """Return P shares, each (n,): class c belongs to participant c modulo P, so one who is left without a class holds nothing."""
    return [(labels % participants == p).nonzero()[:, 0] for p in range(participants)]
