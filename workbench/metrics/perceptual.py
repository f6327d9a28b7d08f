"""How unlike a reconstruction and a photograph look to a network that has learnt ImageNet, and no face."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from workbench.core.errors import DataMissing
from workbench.metrics.base import Judged, metric
from workbench.metrics.pixels import NEAREST
from workbench.priors.training.perception import Perception

AT_ONCE = 64  # images through the network together


@cache
def _eyes() -> Perception | None:
    """Return the network; None where its packages are not installed."""
    try:
        return Perception()
    except DataMissing:
        return None


@metric(
    "lite0_dist",
    title="Perceptual distance (EfficientNet-Lite0)",
    unit="LPIPS's formula with this network and equal weights, 0 to 8; needs the extra 'priors'",
    best="lower",
    compares=NEAREST,
    source="Zhang et al., CVPR 2018, eq. 1, on another network",
    order=8,
)
def lite0_distance(judged: Judged) -> Tensor | None:
    """Return each image's distance, (N,), from the nearest training image of its class; None without the network."""
    eyes = _eyes()
    if eyes is None:
        return None
    pairs = zip(judged.images.split(AT_ONCE), judged.nearest_pixels.split(AT_ONCE), strict=True)
    return torch.cat([apart(eyes, images, references) for images, references in pairs])


@torch.inference_mode()
def apart(eyes: Perception, images: Tensor, references: Tensor) -> Tensor:
    """Return the distance of each pair, (n,), of images (n, C, H, W) in [0, 1]: over depths, the mean over places of the
    squared distance of features that are normalised over channels, 0 to 2, summed over four depths.
    """
    total = torch.zeros(len(images))
    for seen, wanted in zip(eyes(images), eyes(references), strict=True):
        total += (F.normalize(seen, dim=1) - F.normalize(wanted, dim=1)).pow(2).sum(1).mean((1, 2))
    return total
