"""The fixed basis on which latents are drawn, fitted once per prior on its own samples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Plane:
    """Three orthonormal directions through a centre.

    Attributes:
        centre: (D,) point that is drawn at the origin.
        basis: (D, 3) orthonormal columns, most telling first.
        cloud: (M, 3) samples of the prior, already projected.
    """

    centre: Tensor
    basis: Tensor
    cloud: Tensor

    def project(self, points: Tensor) -> Tensor:
        """Return (n, 3) coordinates of points (n, ...) whose flattened length is D, or k·D: then of their mean."""
        flat = points.flatten(1).to(self.basis)
        return (flat.unflatten(1, (-1, len(self.centre))).mean(1) - self.centre) @ self.basis


def principal_plane(points: Tensor) -> Plane:
    """Return the plane of the three principal components of points (M, D)."""
    centre = points.mean(0)
    _, _, v = torch.pca_lowrank(points - centre, q=min(6, *points.shape), center=False, niter=4)
    basis = v[:, :3].contiguous()
    return Plane(centre, basis, (points - centre) @ basis)


def telling_plane(latents: Tensor, images: Tensor) -> Plane:
    """Return the plane of latent space along which images change most.

    A standard normal latent has no principal directions of its own, so the images choose them:
    the three directions whose linear effect on the images' principal components is largest.

    Args:
        latents: (M, D) samples.
        images: (M, C, H, W) their decoded images.
    """
    flat = images.flatten(1)
    flat = flat - flat.mean(0)
    _, _, v = torch.pca_lowrank(flat, q=min(16, *flat.shape), center=False, niter=4)
    centre = latents.mean(0)
    effect = torch.linalg.lstsq(latents - centre, flat @ v).solution  # (D, 16)
    basis = torch.linalg.svd(effect, full_matrices=False).U[:, :3].contiguous()
    return Plane(centre, basis, (latents - centre) @ basis)
