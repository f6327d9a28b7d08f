"""A small convolutional network without batch norm: what published inversions of gradients are shown on.

LeCun et al., Proceedings of the IEEE 1998, in the form of Zhu et al., NeurIPS 2019, https://arxiv.org/abs/1906.08935, section 5:
strided convolutions in place of pooling, and an activation that can be differentiated twice. Nothing in it mixes the images of a
batch, so that a gradient in eval mode is the one that a participant sends, and per-image gradients exist for DP-SGD.
"""

from __future__ import annotations

import math

from torch import nn

from workbench.core.shapes import Shape
from workbench.targets.architectures import architecture

WIDTHS = (16, 32, 64)


@architecture(
    "convnet",
    title="ConvNet without batch norm",
    order=5,
    recipe=dict(lr=1e-3),
)
def convnet(shape: Shape) -> tuple[nn.Module, int]:
    """Return the body for images (C, H, W): every convolution halves height and width, rounded up."""
    channels, height, across = shape
    layers: list[nn.Module] = []
    for width in WIDTHS:
        layers += [nn.Conv2d(channels, width, 5, stride=2, padding=2), nn.GELU()]
        channels, height, across = width, math.ceil(height / 2), math.ceil(across / 2)
    return nn.Sequential(*layers, nn.Flatten()), channels * height * across
