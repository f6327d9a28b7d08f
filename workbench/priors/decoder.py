"""The decoder of the inverse-network attacks: a confidence vector becomes an image.

Yang, Zhang, Chang and Liang, CCS 2019, https://arxiv.org/abs/1902.08552: transposed convolutions with batch norm
and tanh, a sigmoid at the end. It is no prior on a shelf: an attack trains it on the answers it has paid for.
"""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

START = 4  # pixels a side of the first feature map


class Decoder(nn.Module):
    """Doubles a 4x4 map until it covers the image, then cuts the image to size.

    Args:
        inputs: length of a vector.
        shape: (C, H, W) of an image.
        width: channels of the map at full size; a smaller map has up to eight times as many.
    """

    def __init__(self, inputs: int, shape: tuple[int, int, int], width: int = 16) -> None:
        super().__init__()
        self.shape, doublings = shape, max(1, math.ceil(math.log2(max(shape[1:]) / START)))
        widths = [width * min(8, 2 ** (doublings - k)) for k in range(doublings + 1)]
        self.start = nn.Sequential(
            nn.Linear(inputs, widths[0] * START**2), nn.BatchNorm1d(widths[0] * START**2), nn.Tanh()
        )
        layers: list[nn.Module] = [nn.Unflatten(1, (widths[0], START, START))]
        for before, after in pairwise(widths):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1), nn.BatchNorm2d(after), nn.Tanh()]
        self.grow = nn.Sequential(*layers, nn.Conv2d(width, shape[0], 3, padding=1))

    def forward(self, vectors: Tensor) -> Tensor:
        """Return images (n, C, H, W) in [0, 1] of vectors (n, K)."""
        images = self.grow(self.start(vectors)).sigmoid()
        if images.shape[1:] != self.shape:
            images = F.interpolate(images, self.shape[1:], mode="bilinear", align_corners=False)
        return images
