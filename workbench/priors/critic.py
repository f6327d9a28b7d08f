"""What GANs of this package share: a generator of N(0, I) beside a critic that sees, and a head that judges."""

from __future__ import annotations

from torch import Tensor, nn

from workbench.priors.base import Prior


class Adversary(Prior):
    """A prior that a `workbench.priors.training.adversarial.Adversarial` can train.

    Attributes:
        noise_dim: Z, the length of what `generate` is given.
        critic: images (n, C, H, W) in [-1, 1] to maps (n, F, h, w).
        critic_head: flattened maps (n, F·h·w) to an opinion, (n, 1).
    """

    discriminates = True

    noise_dim: int
    critic: nn.Sequential
    critic_head: nn.Module

    def generate(self, noise: Tensor) -> Tensor:
        """Return images (n, C, H, W) in [0, 1] of noise (n, Z) drawn from N(0, I); differentiable."""
        raise NotImplementedError

    def discriminate(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.critic_head(self.critic(images * 2 - 1).flatten(1))[:, 0]
