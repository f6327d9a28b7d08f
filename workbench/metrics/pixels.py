"""Pixel measures against the nearest private training image of the class, nearest by mean squared error."""

from __future__ import annotations

from torch import Tensor

from workbench.metrics.base import Judged, metric

NEAREST = "each reconstruction with the private training image of its class that is nearest by MSE"


def mse(images: Tensor, references: Tensor) -> Tensor:
    """Return the mean squared error of each pair, (N,), of images (N, C, H, W)."""
    return (images - references).pow(2).mean((1, 2, 3))


def psnr(images: Tensor, references: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio of each pair in dB, (N,), for images in [0, 1]."""
    from torchmetrics.functional.image import peak_signal_noise_ratio  # loads for seconds, and only who judges needs it

    return peak_signal_noise_ratio(images, references, data_range=1.0, reduction="none", dim=(1, 2, 3))


def ssim(images: Tensor, references: Tensor) -> Tensor:
    """Return the structural similarity of each pair, (N,), Wang et al. 2004, for images in [0, 1].

    Borders are filled by reflection and count, where other libraries leave five pixels out.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    similarity = structural_similarity_index_measure(images, references, data_range=1.0, reduction="none")
    if not isinstance(similarity, Tensor):
        raise TypeError("torchmetrics returned the full SSIM image, which nobody asked for")
    return similarity


@metric("psnr", title="PSNR", unit="dB", best="higher", compares=NEAREST, source="torchmetrics", order=5)
def psnr_nearest(judged: Judged) -> Tensor:
    """Return each image's PSNR, (N,), against the nearest training image of its class, in dB."""
    return psnr(judged.images, judged.nearest_pixels)


@metric("ssim", title="SSIM", unit="-1 to 1", best="higher", compares=NEAREST, source="torchmetrics", order=6)
def ssim_nearest(judged: Judged) -> Tensor:
    """Return each image's SSIM, (N,), with the nearest training image of its class."""
    return ssim(judged.images, judged.nearest_pixels).reshape(len(judged.images))


@metric(
    "mse",
    title="MSE",
    unit="squared grey level, 0 to 1",
    best="lower",
    compares=NEAREST,
    source="torchmetrics",
    order=7,
)
def mse_nearest(judged: Judged) -> Tensor:
    """Return each image's mean squared error, (N,), against the nearest training image of its class."""
    return mse(judged.images, judged.nearest_pixels)
