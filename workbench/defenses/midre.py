"""MIDRE: every training image loses a square at a random place, so that the target never sees anybody whole.

Tran et al., TMLR 2025, https://arxiv.org/abs/2409.01062: random erasing as the only change of training; the square covers a
random share of the image, up to a limit, and is filled with the mean colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.core.knobs import knob
from workbench.defenses.base import Defense, defense
from workbench.scenarios import Labelled
from workbench.targets.training import DefenseSetting, Shaping


def erased(images: Tensor, most: float, colour: Tensor, rng: torch.Generator) -> Tensor:
    """Return images (n, C, H, W) without a square each, of a share of the area drawn from 0 to `most`.

    Args:
        colour: (C, 1, 1), what the squares are filled with.
    """
    n, _, height, width = images.shape
    share, down, right = torch.rand(3, n, generator=rng)
    side = (share * most * height * width).sqrt()
    top, left = down * (height - side).clamp(min=0), right * (width - side).clamp(min=0)
    rows, columns = torch.arange(height)[None] + 0.5, torch.arange(width)[None] + 0.5
    within = ((rows > top[:, None]) & (rows < (top + side)[:, None]))[:, :, None] & (
        (columns > left[:, None]) & (columns < (left + side)[:, None])
    )[:, None]
    return torch.where(within[:, None].to(images.device), colour.to(images), images)


@defense(
    "midre",
    title="Random erasing (MIDRE)",
    stage="training",
    paper="Tran et al., TMLR 2025",
    order=9,
    strength="area",
    levels=(0.1, 0.2, 0.4, 0.6),
    summary="Every training image loses a random square: the target learns parts, and an inversion gets no whole.",
)
@dataclass(frozen=True)
class MIDRE(Defense):
    area: float = knob(0.4, 0.0, 0.9, help="Largest share of an image that is erased.")

    def shaping(self, case: DefenseSetting) -> Shaping:
        return Erasing(self.area, case.seed)


class Erasing(Shaping):
    """Trains on images with holes."""

    def __init__(self, most: float, seed: int) -> None:
        self.most, self.rng, self.colour = most, torch.Generator().manual_seed(seed), torch.zeros(1, 1, 1)

    def data(self, train: Labelled) -> Labelled:
        self.colour = train.images.mean((0, 2, 3))[:, None, None]
        return train

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor, done: float) -> Tensor:
        return F.cross_entropy(model(erased(images, self.most, self.colour, self.rng)), labels)

    def facts(self) -> dict[str, Any]:
        return {"filled_with": [round(value, 3) for value in self.colour.flatten().tolist()]}
