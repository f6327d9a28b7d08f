"""Random views of images: batched, differentiable, each image drawn for itself.

Attacks and tuned priors look at a candidate through these, so that it must convince the target from every
side. Images are (n, C, H, W) in [0, 1] and stay so. Random numbers come from a CPU generator, so that every
device draws the same ones.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def random_resized_crop(
    images: Tensor,
    rng: torch.Generator,
    scale: tuple[float, float] = (0.8, 1.0),
    ratio: tuple[float, float] = (1.0, 1.0),
) -> Tensor:
    """Return a random part of each image (n, C, H, W), brought back to full size.

    Args:
        scale: least and largest share of the area that is kept, within (0, 1].
        ratio: least and largest width of the part against its height, on a square image; drawn evenly in its logarithm.
            A part that would be wider or higher than the image ends at its border.
    """
    n = len(images)
    area = _uniform(n, scale, rng)
    aspect = _uniform(n, (math.log(ratio[0]), math.log(ratio[1])), rng).exp()
    width, height = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    across, down = (1 - width) * _uniform(n, (-1, 1), rng), (1 - height) * _uniform(n, (-1, 1), rng)
    zero = torch.zeros(n)
    return _affine(images, torch.stack([width, zero, across, zero, height, down], 1))


def rotate(images: Tensor, rng: torch.Generator, degrees: float) -> Tensor:
    """Return each image (n, C, H, W) turned about its centre by up to ±`degrees`; what comes in from outside repeats the border."""
    angle = _uniform(len(images), (-degrees, degrees), rng) * (math.pi / 180)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros(len(images))
    squeeze = images.shape[2] / images.shape[3]  # grids count from -1 to 1 along either side, however long
    return _affine(images, torch.stack([cos, -sin * squeeze, zero, sin / squeeze, cos, zero], 1))


def flip(images: Tensor, rng: torch.Generator, p: float = 0.5) -> Tensor:
    """Return the images (n, C, H, W), each mirrored left to right with probability `p`."""
    return torch.where(_chosen(images, p, rng), images.flip(3), images)


def color_jitter(
    images: Tensor, rng: torch.Generator, brightness: float = 0.2, contrast: float = 0.2, p: float = 1.0
) -> Tensor:
    """Return the images (n, C, H, W), each with probability `p` made brighter or darker, then of more or less contrast.

    Args:
        brightness, contrast: factors are drawn within 1 ± this; contrast keeps the image's mean grey.
    """
    n, chosen = len(images), _chosen(images, p, rng)
    gain = _uniform(n, (1 - brightness, 1 + brightness), rng)[:, None, None, None].to(images)
    spread = _uniform(n, (1 - contrast, 1 + contrast), rng)[:, None, None, None].to(images)
    lit = (images * gain).clamp(0, 1)
    grey = lit.mean((1, 2, 3), keepdim=True)
    return torch.where(chosen, (grey + (lit - grey) * spread).clamp(0, 1), images)


def _uniform(n: int, between: tuple[float, float], rng: torch.Generator) -> Tensor:
    """Return (n,) numbers drawn evenly between two, on the CPU."""
    return between[0] + (between[1] - between[0]) * torch.rand(n, generator=rng)


def _chosen(images: Tensor, p: float, rng: torch.Generator) -> Tensor:
    """Return (n, 1, 1, 1), true with probability `p`."""
    return (torch.rand(len(images), 1, 1, 1, generator=rng) < p).to(images.device)


def _affine(images: Tensor, rows: Tensor) -> Tensor:
    """Return images sampled at affinely moved places; `rows` (n, 6) are the 2x3 matrices of output to input."""
    grid = F.affine_grid(rows.view(-1, 2, 3).to(images), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
