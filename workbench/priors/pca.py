"""Eigenfaces as a prior: the principal components of the public images, each a coordinate of the latent.

Turk and Pentland, CVPR 1991, "Face recognition using eigenfaces". It is fitted in seconds, covers what it was fitted on
(nothing collapses) and blurs what its components leave out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from workbench.core.shapes import image_shape
from workbench.priors.base import Prior, Setting, prior
from workbench.priors.training.registry import trainer

COMPONENTS = {"quick": 320, "full": 512}
OVERSAMPLED = 32  # further directions that the randomised decomposition carries along
BOUND = 4.0  # standard deviations; photographs reach further from the mean along single components than a Gaussian


@prior("pca", title="Eigenimages (PCA)", paper="Turk and Pentland, CVPR 1991", order=0)
class PCA(Prior):
    """Images as a mean and D components, each scaled by its standard deviation, so that latents are N(0, I).

    Args:
        shape: (C, H, W) of an image.
        latent_dim: D, the number of components.
    """

    encodes = True
    bound = BOUND

    def __init__(self, shape: Sequence[int], latent_dim: int) -> None:
        super().__init__()
        self.shape, self.latent_dim = image_shape(shape), latent_dim
        pixels = math.prod(shape)
        self.mean = nn.Parameter(torch.full((pixels,), 0.5))
        self.components = nn.Parameter(torch.zeros(latent_dim, pixels))

    @property
    def architecture(self) -> dict[str, Any]:
        return dict(shape=list(self.shape), latent_dim=self.latent_dim)

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return torch.addmm(self.mean, latents, self.components).unflatten(1, self.shape).clamp(0, 1)

    def encode(self, images: Tensor) -> Tensor:
        return project_on(images.flatten(1), self.mean, self.components)


def principal_components(points: Tensor, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor, float]:
    """Return mean (P,), components (D, P) times their standard deviations, and the share of variance they hold.

    Args:
        points: (N, P).
        count: D at most; fewer where there are fewer points or pixels.
        rng: draws the directions that the randomised decomposition starts from (Halko et al., SIAM Review 2011).
    """
    mean = points.mean(0)
    count = min(count, len(points) - 1, points.shape[1])
    width = min(count + OVERSAMPLED, *points.shape)
    directions = torch.randn(points.shape[1], width, generator=rng).to(points)
    centred = points - mean
    for _ in range(4):
        directions = torch.linalg.qr(centred.T @ (centred @ directions)).Q
    _, spread, v = torch.linalg.svd(centred @ directions, full_matrices=False)
    deviations = spread[:count] / math.sqrt(len(points))
    components = (directions @ v.T[:, :count]).T * deviations[:, None]
    return mean, components, (deviations.pow(2).sum() / centred.pow(2).sum() * len(points)).item()


def project_on(points: Tensor, mean: Tensor, components: Tensor) -> Tensor:
    """Return the coordinates (n, D) of points (n, P) along orthogonal `components` (D, P)."""
    return (points - mean) @ components.T / components.pow(2).sum(1).clamp_min(1e-12)


class Fitting:
    """Fits a `PCA` in one step; implements `workbench.priors.training.loop.Trainer`."""

    paper = "Turk and Pentland, CVPR 1991"
    total = 1

    def __init__(self, setting: Setting, overrides: Mapping[str, Any]) -> None:
        components = int(overrides.get("components", COMPONENTS[setting.quality]))
        self.public, self.flips = setting.public.to(setting.device), setting.flips
        count = min(components, len(self.public) - 1, math.prod(self.public.shape[1:]))
        self.model = PCA(image_shape(self.public.shape[1:]), count).to(setting.device)
        self.recipe: dict[str, Any] = {"components": components}
        self.parts: dict[str, nn.Module | torch.optim.Optimizer] = {"model": self.model}

    @torch.no_grad()
    def step(self, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        points = self.public.flatten(1)
        if self.flips:
            points = torch.cat([points, self.public.flip(3).flatten(1)])
        mean, components, share = principal_components(points, self.model.latent_dim, rng)
        self.model.mean.copy_(mean)
        self.model.components.copy_(components)
        return {"variance left out": torch.tensor(1 - share)}

    def prior(self) -> PCA:
        return self.model.eval()


@trainer("pca")
def pca_trainer(setting: Setting, overrides: Mapping[str, Any]) -> Fitting:
    """Return what fits the principal components of the setting's images."""
    return Fitting(setting, overrides)
