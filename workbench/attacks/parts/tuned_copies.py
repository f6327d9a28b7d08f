"""A copy of a prior for each class attacked, to be tuned to that class's pictures; the prior itself stays as it is."""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.priors import Prior


class TunedCopies(Prior):
    """Draws each latent by the copy of its class.

    Args:
        prior: what the copies are of; it samples, truncates, judges and projects for all of them.
        classes: (N,) the classes, of which one may be named several times.
    """

    conditional = True

    def __init__(self, prior: Prior, classes: Tensor) -> None:
        super().__init__()
        self.inner, self.named = prior, classes.unique().tolist()
        self.key, self.space, self.bound, self.shape = prior.key, prior.space, prior.bound, prior.shape
        self.latent_dim, self.num_classes, self.discriminates = prior.latent_dim, prior.num_classes, prior.discriminates
        self.of = nn.ModuleDict({str(c): copy.deepcopy(prior).requires_grad_(False) for c in self.named})
        self.optimisers: dict[int, torch.optim.Optimizer] = {}

    @property
    def device(self) -> torch.device:
        return self.inner.device

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        return self.inner.sample(n, rng)

    def truncate(self, latents: Tensor, share: float) -> Tensor:
        return self.inner.truncate(latents, share)

    def project(self, latents: Tensor) -> Tensor:
        return self.inner.project(latents)

    def discriminate(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.inner.discriminate(images, labels)

    def random_images(self, n: int, rng: torch.Generator) -> Tensor:
        return self.inner.random_images(n, rng)

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return images (n, C, H, W) of latents (n, D); without labels (n,), those of the untuned prior."""
        if labels is None:
            return self.inner.decode(latents)
        order = labels.argsort(stable=True)
        counts = torch.bincount(labels, minlength=max(self.named) + 1).tolist()
        parts, begun = list[Tensor](), 0
        for c in self.named:
            rows = order[begun : begun + counts[c]]
            begun += counts[c]
            if len(rows):
                parts.append(self._copy(c).decode(latents[rows], labels[rows]))
        return torch.cat(parts)[order.argsort()]

    def _copy(self, c: int) -> Prior:
        return cast(Prior, self.of[str(c)])

    def learn(self, latents: Tensor, pictures: Tensor, labels: Tensor, lr: float) -> Tensor:
        """Bring what the classes' copies draw of latents (N, k, D) a step of Adam nearer to pictures (N, k, C, H, W).

        Args:
            labels: (N,) classes.

        Returns:
            The mean squared errors before the step, (N,): of pixels, and of pixels averaged four by four.
        """
        errors = latents.new_zeros(len(latents))
        for c in self.named:
            rows, model = (labels == c).nonzero()[:, 0], self._copy(c)
            if not len(rows):
                continue
            weights = list(model.parameters())
            optimiser = self.optimisers.setdefault(c, torch.optim.Adam(weights, lr))
            optimiser.param_groups[0]["lr"] = lr
            model.requires_grad_(True)
            wanted, own = pictures[rows].flatten(0, 1), labels[rows].repeat_interleave(latents.shape[1])
            with torch.enable_grad():
                drawn = model.decode(latents[rows].flatten(0, 1), own)
                coarse = F.avg_pool2d(drawn, 4) - F.avg_pool2d(wanted, 4)
                each = (drawn - wanted).pow(2).mean((1, 2, 3)) + coarse.pow(2).mean((1, 2, 3))
                optimiser.zero_grad(set_to_none=True)
                each.mean().backward()
            optimiser.step()
            model.requires_grad_(False)
            errors[rows] = each.detach().view(len(rows), -1).mean(1)
        return errors
