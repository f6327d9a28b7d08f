"""A shadow of the client's half: a network of the attacker's own that feeds the server's half as the client does."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from workbench.core.shapes import Shape
from workbench.targets.architectures import Normalize


class Shadow(nn.Module):
    """Images (n, C, H, W) in [0, 1] to activations (n, *S): strided convolutions, as many as halve the image to the map.

    Args:
        shape: (C, H, W) of an image.
        wanted: S, (F, h, w) or (F,).
        width: channels of the first convolution.
        rectified: whether activations are never negative, which the server sees.
    """

    def __init__(self, shape: Shape, wanted: Sequence[int], width: int, rectified: bool) -> None:
        super().__init__()
        side = 4 if len(wanted) == 1 else min(wanted[1:])
        halvings = max(0, round(math.log2(min(shape[1:]) / side)))
        layers: list[nn.Module] = [Normalize(shape[0])]
        maps = shape[0]
        for k in range(halvings):
            layers += [nn.Conv2d(maps, width * 2 ** min(k, 2), 3, 2, 1), nn.LeakyReLU(0.2)]
            maps = width * 2 ** min(k, 2)
        if len(wanted) == 1:
            layers += [nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(maps * 16, wanted[0])]
        else:
            layers += [nn.Conv2d(maps, wanted[0], 3, 1, 1), nn.AdaptiveAvgPool2d((wanted[1], wanted[2]))]
        self.layers = nn.Sequential(*layers, nn.ReLU() if rectified else nn.Identity())

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


def moments(activations: Tensor) -> Tensor:
    """Return mean and deviation of each channel, (2F,), of activations (n, F, ...)."""
    others = [0, *range(2, activations.dim())]
    return torch.cat([activations.mean(others), (activations.var(others, unbiased=False) + 1e-6).sqrt()])


def together(activations: Tensor) -> Tensor:
    """Return how channels vary with each other, and with each other's neighbours if they are maps, (F, F) or (F, 3F)."""
    x = activations - activations.mean([0, *range(2, activations.dim())], keepdim=True)
    if x.dim() == 2:
        return x.T @ x / len(x)
    here, right, below = x[..., :-1, :-1], x[..., :-1, 1:], x[..., 1:, :-1]
    beside = torch.cat([here, right, below], 1)
    return torch.einsum("nfhw,nghw->fg", here, beside) / here[:, 0].numel()


def unlikeness(activations: Tensor, sent: Tensor) -> Tensor:
    """Return how far activations (n, F, ...) are from those intercepted, (N, F, ...), as a whole; a scalar, 0 for alike.

    Means and deviations of the channels, how they vary together, and the mean at each place. By the first alone a shadow is free
    to swap or turn round what its channels see, and may answer a picture as the client answers its negative.
    """
    wanted, pairs = moments(sent), together(sent)
    overall = ((moments(activations) - wanted) / wanted.abs().mean().clamp_min(1e-6)).pow(2).mean()
    joint = (together(activations) - pairs).pow(2).sum() / pairs.pow(2).sum().clamp_min(1e-12)
    placed = (activations.mean(0) - sent.mean(0)).pow(2).mean() / sent.var().clamp_min(1e-6)
    return overall + joint + placed
