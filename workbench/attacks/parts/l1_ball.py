"""The nearest point of an L1 ball. Duchi, Shalev-Shwartz, Singer and Chandra, ICML 2008, figure 1."""

from __future__ import annotations

import torch
from torch import Tensor


def into_ball(points: Tensor, radius: float) -> Tensor:
    """Return the nearest points (n, D) whose coordinates' absolute values sum to at most `radius`, of points (n, D)."""
    if radius <= 0:
        return torch.zeros_like(points)
    sizes = points.abs()
    descending, _ = sizes.sort(1, descending=True)
    over = descending.cumsum(1) - radius
    count = torch.arange(1, points.shape[1] + 1, device=points.device)
    keep = (descending > over / count).sum(1, keepdim=True)  # at least one, since the radius is above 0
    cut = (over.gather(1, keep - 1) / keep).clamp_min(0)
    return points.sign() * (sizes - cut).clamp_min(0)
