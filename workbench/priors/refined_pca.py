"""Refined eigenimages: principal components of small images, made sharp and large by a convolutional network.

The latent is that of eigenfaces (Turk and Pentland, CVPR 1991), at half the side and with coarser colours, so it covers
the public images as they do. What the components cannot hold is drawn by a refiner trained as in super-resolution
(Ledig et al., CVPR 2017, https://arxiv.org/abs/1609.04802): likeness of pixels and features beside adversarial losses.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.core.errors import Incompatible
from workbench.core.shapes import Shape, image_shape
from workbench.priors.base import luminance, prior
from workbench.priors.critic import Adversary
from workbench.priors.layers import shrinking
from workbench.priors.pca import BOUND, project_on

LUMINANCE = (0.299, 0.587, 0.114)


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut, without normalisation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1), nn.Conv2d(channels, channels, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (n, F, H, W) of maps of that shape."""
        return x + 0.5 * self.conv2(F.leaky_relu(self.conv1(F.leaky_relu(x, 0.2)), 0.2))


class Refiner(nn.Module):
    """Images (n, C, S, S) to what is added to them at twice the side, (n, C, 2S, 2S); a U-Net that starts with nothing.

    Args:
        widths: channels of the maps, finest first; each has half the side of the one before.
        last: channels at full side.
    """

    def __init__(self, channels: int, widths: Sequence[int], last: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, widths[0], 3, 1, 1)
        self.before = nn.ModuleList(Residual(w) for w in widths[:-1])
        self.down = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1) for a, b in pairwise(widths))
        self.middle = nn.Sequential(Residual(widths[-1]), Residual(widths[-1]))
        self.up = nn.ModuleList(nn.Conv2d(b, a, 3, 1, 1) for a, b in pairwise(widths))
        self.after = nn.ModuleList(Residual(w) for w in widths[:-1])
        self.grow = nn.Conv2d(widths[0], 4 * last, 3, 1, 1)
        self.fine, self.out = nn.Conv2d(last, last, 3, 1, 1), nn.Conv2d(last, channels, 3, 1, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        x, kept = self.stem(images * 4 - 2), []
        for block, halve in zip(self.before, self.down, strict=True):
            x = block(x)
            kept.append(x)
            x = halve(x)
        x = self.middle(x)
        for i in reversed(range(len(kept))):
            x = self.after[i](self.up[i](F.interpolate(x, scale_factor=2)) + kept[i])
        x = F.leaky_relu(F.pixel_shuffle(self.grow(F.leaky_relu(x, 0.2)), 2), 0.2)
        return self.out(F.leaky_relu(self.fine(x), 0.2))


def small_planes(images: Tensor) -> Tensor:
    """Return what the components are of, (n, P): luminance at half the side and, of colour, two differences at a quarter."""
    light = images if images.shape[1] == 1 else luminance(images)
    planes = [F.avg_pool2d(light, 2)]
    if images.shape[1] == 3:
        planes.append(F.avg_pool2d(torch.cat([images[:, :1] - light, images[:, 2:] - light], 1), 4))
    return torch.cat([plane.flatten(1) for plane in planes], 1)


def planes_length(shape: Shape) -> int:
    """Return P, the length of a row of `small_planes`.

    Raises:
        Incompatible: the side cannot be halved twice.
    """
    channels, height, width = shape
    if height != width or height % 4:
        raise Incompatible(
            [
                f"Images of {height}x{width} pixels cannot be refined: they must be square, of a multiple of 4 pixels a side."
            ]
        )
    return (height // 2) ** 2 + (2 * (height // 4) ** 2 if channels == 3 else 0)


@prior(
    "refined-pca", title="Refined eigenimages", paper="Turk and Pentland, CVPR 1991; Ledig et al., CVPR 2017", order=1
)
class RefinedPCA(Adversary):
    """Components of small images, and a network that draws the large image from them.

    Args:
        shape: (C, H, W) of an image; H = W.
        latent_dim: D, the number of components.
        widths, last: channels of the refiner.
        critic_widths: channels from the image down, one for each halving.

    Raises:
        Incompatible: the image cannot be halved as often as that asks for.
    """

    encodes = True
    bound = BOUND

    def __init__(
        self, shape: Sequence[int], latent_dim: int, widths: Sequence[int], last: int, critic_widths: Sequence[int]
    ) -> None:
        super().__init__()
        self.shape, self.latent_dim, self.noise_dim = image_shape(shape), latent_dim, latent_dim
        self.widths, self.last, self.critic_widths = list(widths), last, list(critic_widths)
        length = planes_length(self.shape)
        self.mean = nn.Parameter(torch.zeros(length), requires_grad=False)
        self.components = nn.Parameter(torch.zeros(latent_dim, length), requires_grad=False)
        self.refiner = Refiner(shape[0], widths, last)
        self.critic = shrinking(shape[0], critic_widths)
        self.critic_head = nn.Linear(critic_widths[-1] * (self.shape[1] // 2 ** len(critic_widths)) ** 2, 1)

    @property
    def architecture(self) -> dict[str, Any]:
        return dict(
            shape=list(self.shape),
            latent_dim=self.latent_dim,
            widths=self.widths,
            last=self.last,
            critic_widths=self.critic_widths,
        )

    def small(self, latents: Tensor) -> Tensor:
        """Return the images (n, C, H/2, W/2), around [0, 1], that the components alone hold of latents (n, D)."""
        planes, side = torch.addmm(self.mean, latents, self.components), self.shape[1] // 2
        light = planes[:, : side**2].unflatten(1, (1, side, side))
        if self.shape[0] == 1:
            return light
        tint = planes[:, side**2 :].unflatten(1, (2, side // 2, side // 2))
        red, blue = F.interpolate(tint, scale_factor=2, mode="bilinear").split(1, 1)
        green = -(LUMINANCE[0] * red + LUMINANCE[2] * blue) / LUMINANCE[1]
        return light + torch.cat([red, green, blue], 1)

    def draw(self, latents: Tensor) -> Tensor:
        """Return images (n, C, H, W) of latents (n, D), not yet kept within [0, 1]."""
        small = self.small(latents)
        return F.interpolate(small, scale_factor=2, mode="bicubic") + self.refiner(small)

    def generate(self, noise: Tensor) -> Tensor:
        return self.decode(noise)

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.draw(latents).clamp(0, 1)

    def encode(self, images: Tensor) -> Tensor:
        return project_on(small_planes(images), self.mean, self.components)
