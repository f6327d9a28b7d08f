"""Every class is divided in proportions drawn from a Dirichlet distribution.

Hsu, Qi and Brown, 2019, https://arxiv.org/abs/1909.06335, section 3: small concentrations give each participant few classes.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from workbench.federated.splits.base import split


@split("dirichlet", title="Dirichlet", order=2)
def dirichlet(labels: Tensor, participants: int, alpha: float, rng: torch.Generator) -> list[Tensor]:
    """Return P shares, each (n,); of each class, proportions ~ Dir(α, ..., α)."""
    draws = np.random.default_rng(int(torch.randint(2**31, (), generator=rng)))
    shares: list[list[Tensor]] = [[] for _ in range(participants)]
    for c in labels.unique().tolist():
        rows = (labels == c).nonzero()[:, 0]
        rows = rows[torch.randperm(len(rows), generator=rng)]
        ends = np.round(np.cumsum(draws.dirichlet([alpha] * participants)) * len(rows)).astype(int)[:-1].tolist()
        for share, part in zip(shares, rows.tensor_split(ends), strict=True):
            share.append(part)
    return [torch.cat(share).sort().values for share in shares]
