"""The part of latent space that a black-box search walks, in standard deviations of the prior's samples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.priors import Prior

SAMPLES = 2000
BATCH = 64  # latents decoded at once for the axes
LEADING = (
    "Only so many directions are searched, those that change the picture most, so that fewer queries find their way; "
    "0 for all."
)


@dataclass(frozen=True)
class Box:
    """A coordinate's mean ± its reach over the prior's samples; with axes, the plane that they span within it.

    A question tells a search by scores or labels one number, so that thousands of them find their way in a hundred
    coordinates and not in six hundred. The axes are the directions along which the picture changes most; across
    them, every latent stays at the mean.

    Attributes:
        mean, std: (D,) over samples of the prior.
        reach: half the box's width, in standard deviations.
        axes: (D, L) orthonormal, in standard deviations; None for all of latent space, where L is D.
    """

    mean: Tensor
    std: Tensor
    reach: float
    axes: Tensor | None = None

    @classmethod
    def of(cls, prior: Prior, rng: torch.Generator, reach: float, leading: int = 0) -> Box:
        """Return the box of the prior's samples, with as many axes as `leading` says; 0 for all coordinates."""
        box = cls.around(prior.sample(SAMPLES, rng), reach)
        if not 0 < leading < len(box.mean):
            return box
        return cls(box.mean, box.std, reach, leading_axes(prior, box, leading))

    @classmethod
    def around(cls, samples: Tensor, reach: float) -> Box:
        """Return the box of samples (M, D)."""
        return cls(samples.mean(0), samples.std(0), reach)

    @property
    def size(self) -> int:
        """How many coordinates are searched, L."""
        return len(self.mean) if self.axes is None else self.axes.shape[1]

    def direction(self, units: Tensor) -> Tensor:
        """Return where directions (..., L) along the axes point among latents, (..., D); without axes, themselves."""
        return units if self.axes is None else self.std * (units @ self.axes.mT)

    def clamp(self, latents: Tensor) -> Tensor:
        """Return latents (..., D) moved into the box."""
        if self.axes is not None:
            return self.from_units(self.to_units(latents).clamp(-self.reach, self.reach))
        half = self.reach * self.std
        return torch.minimum(torch.maximum(latents, self.mean - half), self.mean + half)

    def from_units(self, units: Tensor) -> Tensor:
        """Return the latents (..., D) that lie `units` (..., L) standard deviations from the mean."""
        return self.mean + self.std * (units if self.axes is None else units @ self.axes.mT)

    def to_units(self, latents: Tensor) -> Tensor:
        """Return latents (..., D) in standard deviations from the mean, (..., L)."""
        units = (latents - self.mean) / self.std
        return units if self.axes is None else units @ self.axes


@torch.no_grad()
def leading_axes(prior: Prior, box: Box, count: int) -> Tensor:
    """Return the `count` directions (D, count) along which the picture of the box's middle changes most.

    They are the first right singular vectors of the decoder's Jacobian at the mean, by differences of one standard
    deviation to each side. The target is not asked.
    """
    steps = torch.diag(box.std)  # (D, D), a coordinate's step in each row
    changes = torch.cat(
        [
            (prior.decode(box.mean + rows) - prior.decode(box.mean - rows)).flatten(1) / 2  # (B, C * H * W)
            for rows in steps.split(BATCH)
        ]
    )
    axes = torch.linalg.eigh(changes @ changes.mT).eigenvectors  # the weakest first
    return axes[:, -count:].flip(1)
