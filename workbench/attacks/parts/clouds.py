"""What was tried around the candidates, as the latent plot draws it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Cloud(NamedTuple):
    """Attributes: points: (M, D) latents. owners: (M,) int64, which candidate each belongs to."""

    points: Tensor
    owners: Tensor

    @classmethod
    def around(cls, points: Tensor) -> Cloud:
        """Return the cloud of P points around each of N candidates, (N, P, D)."""
        owners = torch.arange(len(points), device=points.device).repeat_interleave(points.shape[1])
        return cls(points.flatten(0, 1), owners)
