"""Pictures that show none of the classes: what a judge who can say no has to say no to."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

BLURRED = 5  # pixels a side to which a picture is shrunk before it is enlarged again; nothing is readable then
BLOCKS = 4  # a picture that is shuffled is cut into so many blocks a side


def noise(n: int, shape: tuple[int, int, int], rng: torch.Generator) -> Tensor:
    """Return noise (n, C, H, W) in [0, 1]: from fine to even greys, of any contrast and brightness, each picture its own."""
    channels, height, width = shape
    found = torch.empty(n, channels, height, width)
    sides = torch.tensor([1, 2, 4, 8, 16, height])[torch.randint(6, (n,), generator=rng)]
    for side in sides.unique().tolist():
        rows = (sides == side).nonzero()[:, 0]
        coarse = torch.rand(len(rows), channels, side, side, generator=rng)
        found[rows] = F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
    return _stretched(found, rng)


def gratings(n: int, shape: tuple[int, int, int], rng: torch.Generator) -> Tensor:
    """Return stripes (n, C, H, W) in [0, 1] of any direction, width and sharpness; products of two are checks and dots."""
    channels, height, width = shape
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")

    def waves() -> Tensor:
        angle, pitch, phase = torch.rand(3, n, 1, 1, generator=rng) * torch.tensor([1.0, 9.0, 2.0])[:, None, None, None]
        across = x * (angle * math.pi).cos() + y * (angle * math.pi).sin()
        return ((pitch + 0.5) * math.pi * across + phase * math.pi).sin()

    crossed = (torch.rand(n, 1, 1, generator=rng) < 0.4).float()
    wave = waves() * (crossed * waves() + 1 - crossed)
    hard = 1 + 20 * torch.rand(n, 1, 1, generator=rng) ** 2
    return _stretched(((hard * wave).tanh() / 2 + 0.5)[:, None].expand(-1, channels, -1, -1), rng)


def blobs(n: int, shape: tuple[int, int, int], rng: torch.Generator) -> Tensor:
    """Return one to four soft bright spots each on dark, (n, C, H, W) in [0, 1]."""
    channels, height, width = shape
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    at = torch.rand(2, n, 4, 1, 1, generator=rng) * 1.6 - 0.8
    reach = 0.15 + 0.5 * torch.rand(n, 4, 1, 1, generator=rng)
    there = (torch.arange(4)[None] <= torch.randint(4, (n, 1), generator=rng)).float()[:, :, None, None]
    spots = (-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * reach**2)).exp() * there
    return spots.amax(1, keepdim=True).expand(-1, channels, -1, -1)


def blurred(images: Tensor, side: int = BLURRED) -> Tensor:
    """Return images (n, C, H, W) in [0, 1] shrunk to `side` pixels and enlarged again."""
    shrunk = F.interpolate(images, (side, side), mode="area")
    return F.interpolate(shrunk, images.shape[2:], mode="bilinear", align_corners=False)


def scrambled(images: Tensor, rng: torch.Generator) -> Tensor:
    """Return images (n, C, H, W) in [0, 1] with their phases drawn anew: as fine and as bright, and nothing on them."""
    n, _, height, width = images.shape
    spectrum = torch.fft.rfft2(images)
    phases = torch.fft.rfft2(torch.randn(n, 1, height, width, generator=rng))
    phases = phases / phases.abs().clamp_min(1e-9)
    phases[..., 0, 0] = 1  # the mean stays
    return torch.fft.irfft2(spectrum.abs() * phases, s=(height, width)).clamp(0, 1)


def shuffled(images: Tensor, rng: torch.Generator) -> Tensor:
    """Return images (n, C, H, W) in [0, 1] cut into blocks that are put together in another order."""
    n, _, height, width = images.shape
    high, wide = height // BLOCKS, width // BLOCKS
    kept = images[:, :, : high * BLOCKS, : wide * BLOCKS]
    parts = F.unfold(kept, (high, wide), stride=(high, wide))  # (n, C*high*wide, blocks)
    order = torch.rand(n, 1, parts.shape[2], generator=rng).argsort(2).expand_as(parts)
    mixed = F.fold(parts.gather(2, order), kept.shape[2:], (high, wide), stride=(high, wide))
    return F.pad(mixed, (0, width - wide * BLOCKS, 0, height - high * BLOCKS))


def mixed(images: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
    """Return two images of different classes seen through each other, (n, C, H, W) in [0, 1], of images (m, C, H, W).

    n is at most m; of a batch of one class nothing is left.
    """
    other = torch.randperm(len(images), generator=rng)
    apart = labels != labels[other]
    first, second = images[apart], images[other][apart]
    share = 0.4 + 0.2 * torch.rand(len(first), 1, 1, 1, generator=rng)
    return share * first + (1 - share) * second


def nothing(images: Tensor, labels: Tensor, n: int, rng: torch.Generator, *, mixtures: bool = True) -> Tensor:
    """Return n pictures (n, C, H, W) in [0, 1] that show none of the classes: of every kind in this file.

    Args:
        images: (m, C, H, W) real ones, of which some are made.
        labels: (m,) their classes.
        mixtures: whether two classes seen through each other are among them.
    """
    shape = (images.shape[1], images.shape[2], images.shape[3])
    each, taken = -(-n // 7), torch.randint(len(images), (-(-n // 7),), generator=rng)
    real = images[taken]
    kinds = [
        *([mixed(real, labels[taken], rng)] if mixtures else []),
        scrambled(real, rng),
        shuffled(real, rng),
        blurred(real),
        noise(each, shape, rng),
        gratings(each, shape, rng),
        blobs(each, shape, rng),
    ]
    short = n - sum(map(len, kinds))
    found = torch.cat([*kinds, noise(max(0, short), shape, rng)])
    return found[torch.randperm(len(found), generator=rng)[:n]]


def _stretched(images: Tensor, rng: torch.Generator) -> Tensor:
    """Return pictures (n, C, H, W) in [0, 1], a third as they are and the others of less contrast."""
    n = len(images)
    low, high = torch.rand(2, n, 1, 1, 1, generator=rng).sort(0).values
    keep = torch.rand(n, 1, 1, 1, generator=rng) < 1 / 3
    return torch.where(keep, images, low + (high - low) * images)
