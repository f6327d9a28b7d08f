"""The decoder from a hidden layer's output back to an image: the inverse network, and Ginver's generator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.attacks.split.parts.layers import layer_knob
from workbench.core.knobs import knob
from workbench.core.shapes import Shape
from workbench.priors.decoder import START

GROUPS = 4  # channels are normalised in so many groups, picture by picture


@dataclass(frozen=True)
class DecoderKnobs:
    """What every attack that trains such a decoder may be told of it."""

    layer: str = layer_knob()
    lr: float = knob(3e-3, 1e-5, 0.1, log=True, help="Adam's step size; falls to nothing.")
    width: int = knob(24, 4, 256, log=True, help="Channels of the network at full size; a multiple of 4.")


class FeatureDecoder(nn.Module):
    """Activations (n, *S) to images (n, C, H, W) in [0, 1]: convolutions that double a map until it covers the image.

    A layer's output that is no map is first spread over a 4x4 one.

    Args:
        given: S, (F, h, w) or (F,).
        shape: (C, H, W) of an image.
        width: channels of the map at full size; a smaller map has up to four times as many.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, given: tuple[int, ...], shape: Shape, width: int) -> None:
        super().__init__()
        self.shape, self.flat = shape, math.prod(given[1:]) == 1
        side = START if self.flat else min(given[1:])
        doublings = max(0, round(math.log2(max(shape[1:]) / side)))
        widths = [width * min(4, 2 ** (doublings - k)) for k in range(doublings + 1)]
        maps = given[0]
        begin: list[nn.Module] = []
        if self.flat:
            maps = widths[0]
            begin = [nn.Flatten(), nn.Linear(given[0], maps * START**2), nn.Unflatten(1, (maps, START, START))]
        layers = [*begin, *_block(nn.Conv2d(maps, widths[0], 3, 1, 1), widths[0])]
        for before, after in pairwise(widths):
            layers += _block(nn.ConvTranspose2d(before, after, 4, 2, 1), after)
        layers += _block(nn.Conv2d(width, width, 3, 1, 1), width)
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, shape[0], 3, 1, 1))
        self.register_buffer("centre", torch.zeros(given[0], *[1] * (len(given) - 1)))
        self.register_buffer("spread", torch.ones(given[0], *[1] * (len(given) - 1)))

    def standardise(self, activations: Tensor) -> None:
        """Make activations like these (M, *S) of zero mean and unit spread, channel by channel, before they are decoded."""
        others = [0, *range(2, activations.dim())]
        self.centre.copy_(activations.mean(others).view_as(self.centre))
        deviation = (activations - self.centre).pow(2).mean(others).sqrt().view_as(self.spread)
        self.spread.copy_(deviation.clamp_min(1e-3 * deviation.max().clamp_min(1e-6)))

    def forward(self, activations: Tensor) -> Tensor:
        images = self.layers((activations - self.centre) / self.spread).sigmoid()
        if images.shape[1:] != self.shape:
            images = F.interpolate(images, self.shape[1:], mode="bilinear", align_corners=False)
        return images


def _block(layer: nn.Module, channels: int) -> list[nn.Module]:
    return [layer, nn.GroupNorm(GROUPS, channels), nn.LeakyReLU(0.2)]
