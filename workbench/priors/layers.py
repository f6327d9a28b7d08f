"""Layers that several priors share."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn


def shrinking(channels: int, widths: Sequence[int]) -> nn.Sequential:
    """Return stride-2 convolutions halving the image once per width, without normalisation."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        channels = width
    return nn.Sequential(*layers)
