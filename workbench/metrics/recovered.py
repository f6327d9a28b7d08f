"""Measures against the very picture that was to be recovered, where there is one: attacks on a split network."""

from __future__ import annotations

from torch import Tensor

from workbench.metrics.base import Judged, metric
from workbench.metrics.pixels import psnr, ssim

TRUTH = "each reconstruction with the picture that the client sent the activations of"


@metric(
    "recovered_psnr",
    title="PSNR, true picture",
    unit="dB",
    best="higher",
    compares=TRUTH,
    source="10 log10 of 1 / MSE",
    order=8,
)
def recovered_psnr(judged: Judged) -> Tensor | None:
    """Return each image's PSNR, (N,), against the true picture, in dB; None where no single picture is to be recovered."""
    return None if judged.truth is None else psnr(judged.images, judged.truth)


@metric(
    "recovered_ssim",
    title="SSIM, true picture",
    unit="-1 to 1",
    best="higher",
    compares=TRUTH,
    source="scikit-image",
    order=9,
)
def recovered_ssim(judged: Judged) -> Tensor | None:
    """Return each image's SSIM, (N,), with the true picture; None where no single picture is to be recovered."""
    return None if judged.truth is None else ssim(judged.images, judged.truth).reshape(len(judged.images))
