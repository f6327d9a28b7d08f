"""Reconstructions beside the very images that they are of, where those are known: one batch of a participant.

PSNR and SSIM of pairs; which belongs to which is decided by the assignment of least squared error (Kuhn, 1955), since a sum of
gradients has no order.
"""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.metrics.pixels import psnr, ssim


def matching(images: Tensor, truth: Tensor) -> Tensor:
    """Return (K,) which of the true images (K, C, H, W) each image (K, C, H, W) is of, all different."""
    from scipy.optimize import linear_sum_assignment  # slow to load, and needed by few

    apart = torch.cdist(images.flatten(1).double(), truth.flatten(1).double()).square()
    _, columns = linear_sum_assignment(apart.cpu().numpy())
    return torch.from_numpy(columns)


def matched(images: Tensor, truth: Tensor, restarts: int, kept: Tensor | None = None) -> dict[str, list[float]]:
    """Return PSNR in dB and SSIM of each true image's match, K of each, of the restart that the attack kept.

    Args:
        images: (N, C, H, W) in [0, 1], N = K x restarts, every true image `restarts` times in a row.
        truth: (N, C, H, W), likewise.
        kept: (N,) bool, the attack's own choice; None for its first restart.
    """
    restart = 0 if kept is None else int(kept[:restarts].long().argmax())
    found, true = images[restart::restarts], truth[restart::restarts]
    pairs = matching(found, true)
    order = pairs.argsort()
    near = psnr(found[order].double(), true.double()).clamp(max=200.0)
    alike = ssim(found[order], true).reshape(len(true))
    return {"psnr": [round(v, 2) for v in near.tolist()], "ssim": [round(v, 4) for v in alike.tolist()]}
