"""How much two sets of m vectors depend on each other, from their kernel matrices. Pure and differentiable."""

from __future__ import annotations

import torch
from torch import Tensor

RIDGE = 1e-5  # ε of the normalised measure; keeps the inverse bounded


def gaussian_kernel(x: Tensor, sigma: float = 5.0) -> Tensor:
    """Return exp(−‖x_i − x_j‖² / 2σ²D), (m, m), of vectors (m, D); dividing by D lets one σ serve every layer."""
    return (-torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").pow(2) / (2 * sigma**2 * x.shape[1])).exp()


def linear_kernel(x: Tensor) -> Tensor:
    """Return the inner products, (m, m), of vectors (m, D)."""
    return x @ x.T


def _centring(m: int, like: Tensor) -> Tensor:
    return torch.eye(m, dtype=like.dtype, device=like.device) - 1 / m


def hsic(a: Tensor, b: Tensor) -> Tensor:
    """Return the normalised Hilbert-Schmidt independence criterion of two kernel matrices (m, m).

    Fukumizu et al., NeurIPS 2007: tr(R_a R_b) with R = K̃(K̃ + εmI)⁻¹ and K̃ centred; 0 for independent
    sets, at most m − 1.
    """
    m = len(a)
    centring, ridge = _centring(m, a), RIDGE * m * torch.eye(m, dtype=a.dtype, device=a.device)
    # K̃(K̃ + εmI)⁻¹ = I − εm(K̃ + εmI)⁻¹, which needs no product of nearly singular matrices.
    ra, rb = (
        torch.eye(m, dtype=a.dtype, device=a.device) - RIDGE * m * torch.linalg.inv(centring @ k @ centring + ridge)
        for k in (a, b)
    )
    return (ra * rb.T).sum()


def coco(a: Tensor, b: Tensor) -> Tensor:
    """Return the constrained covariance of two kernel matrices (m, m), as BiDO estimates it.

    Gretton et al., AISTATS 2005: √‖K̃_a K̃_b‖ / m; BiDO takes the Frobenius norm for the spectral one.
    """
    centring = _centring(len(a), a)
    norm = torch.linalg.matrix_norm((centring @ a @ centring) @ (centring @ b @ centring))
    return (norm + 1e-12).sqrt() / len(a)  # the root has no slope at zero
