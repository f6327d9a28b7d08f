"""Pixel measures against the nearest private training image of the class, nearest by mean squared error."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from workbench.metrics.base import Judged, metric

REACH = 5  # pixels that SSIM's Gaussian of deviation 1.5 reaches to each side
NEAREST = "each reconstruction with the private training image of its class that is nearest by MSE"


def mse(images: Tensor, references: Tensor) -> Tensor:
    """Return the mean squared error of each pair, (N,), of images (N, C, H, W)."""
    return (images - references).pow(2).mean((1, 2, 3))


def psnr(images: Tensor, references: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio of each pair in dB, (N,), for images in [0, 1]; infinite where both are the same."""
    return -10 * mse(images, references).log10()


def ssim(images: Tensor, references: Tensor) -> Tensor:
    """Return the structural similarity of each pair, (N,), Wang et al. 2004, for images in [0, 1].

    Borders are filled by reflection and count, as in torchmetrics; scikit-image by itself leaves five pixels out.
    """
    from skimage.metrics import structural_similarity  # slow to load, and only who judges needs it

    wide = [F.pad(x.double().cpu(), (REACH,) * 4, mode="reflect").numpy() for x in (images, references)]
    found = [
        structural_similarity(
            x, y, data_range=1.0, channel_axis=0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for x, y in zip(*wide, strict=True)
    ]
    return torch.tensor(found, dtype=images.dtype, device=images.device)


@metric("psnr", title="PSNR", unit="dB", best="higher", compares=NEAREST, source="10 log10 of 1 / MSE", order=5)
def psnr_nearest(judged: Judged) -> Tensor:
    """Return each image's PSNR, (N,), against the nearest training image of its class, in dB."""
    return psnr(judged.images, judged.nearest_pixels)


@metric("ssim", title="SSIM", unit="-1 to 1", best="higher", compares=NEAREST, source="scikit-image", order=6)
def ssim_nearest(judged: Judged) -> Tensor:
    """Return each image's SSIM, (N,), with the nearest training image of its class."""
    return ssim(judged.images, judged.nearest_pixels).reshape(len(judged.images))


@metric(
    "mse",
    title="MSE",
    unit="squared grey level, 0 to 1",
    best="lower",
    compares=NEAREST,
    source="mean over pixels",
    order=7,
)
def mse_nearest(judged: Judged) -> Tensor:
    """Return each image's mean squared error, (N,), against the nearest training image of its class."""
    return mse(judged.images, judged.nearest_pixels)
