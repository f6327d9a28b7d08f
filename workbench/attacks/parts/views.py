"""Random views of candidates: one warp for crop, mirror and turn, each candidate with its own random numbers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from workbench.attacks.parts.candidate_rng import Streams

DRAWS = 8


@dataclass(frozen=True)
class View:
    """What may happen to an image before the target sees it.

    Attributes:
        scale: least and largest share of the area that a view holds; beyond 1 it sees past the border, which goes on.
        ratio: least and largest width over height of a crop.
        shift: largest move sideways and up or down, as a share of the side, beside where a crop happens to lie.
        mirror: probability of mirroring.
        degrees: largest turn.
        light, contrast: largest relative change.
    """

    scale: tuple[float, float] = (1.0, 1.0)
    ratio: tuple[float, float] = (1.0, 1.0)
    shift: float = 0.0
    mirror: float = 0.0
    degrees: float = 0.0
    light: float = 0.0
    contrast: float = 0.0

    def of(self, images: Tensor, draws: Tensor) -> Tensor:
        """Return views (n, C, H, W) in [0, 1] of images, from numbers (n, 8) uniform in [0, 1); differentiable."""
        u = draws.T

        def between(row: int, low: float, high: float) -> Tensor:
            return low + (high - low) * u[row]

        area, shape = between(0, *self.scale).sqrt(), between(1, *self.ratio).sqrt()
        most = max(1.0, self.scale[1] ** 0.5)
        wide, high = (area * shape).clamp(max=most), (area / shape).clamp(max=most)
        right = (2 * u[2] - 1) * ((1 - wide).clamp(min=0) + 2 * self.shift)
        down = (2 * u[3] - 1) * ((1 - high).clamp(min=0) + 2 * self.shift)
        sign = torch.where(u[4] < self.mirror, -1.0, 1.0)
        angle = between(5, -self.degrees, self.degrees) * torch.pi / 180
        cos, sin = angle.cos(), angle.sin()
        matrix = torch.stack(
            [
                torch.stack([sign * wide * cos, -high * sin, right], 1),
                torch.stack([sign * wide * sin, high * cos, down], 1),
            ],
            1,
        )
        grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
        seen = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
        if not self.light and not self.contrast:
            return seen
        lit = seen * between(6, 1 - self.light, 1 + self.light)[:, None, None, None]
        centre = lit.mean((1, 2, 3), keepdim=True)
        gain = between(7, 1 - self.contrast, 1 + self.contrast)[:, None, None, None]
        return ((lit - centre) * gain + centre).clamp(0, 1)


def views(view: View, images: Tensor, streams: Streams, each: int = 1) -> Tensor:
    """Return a random view of each image (n, C, H, W), n = candidates x `each`, candidate by candidate."""
    return view.of(images, streams.uniform(each, DRAWS).flatten(0, 1))
