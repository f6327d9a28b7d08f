"""Every participant holds the same share of every class."""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.federated.splits.base import split


@split("iid", title="IID", order=1)
def iid(labels: Tensor, participants: int, alpha: float, rng: torch.Generator) -> list[Tensor]:
    """Return P shares, each (n,), of shuffled rows, dealt out class by class, so that their sizes differ by one at most."""
    shuffled = torch.randperm(len(labels), generator=rng)
    by_class = shuffled[labels[shuffled].argsort(stable=True)]
    return [by_class[p::participants].sort().values for p in range(participants)]
