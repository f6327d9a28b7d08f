"""What a client may do to a hidden layer's output before it sends it."""

from __future__ import annotations

from torch import Tensor

from workbench.targets.randomness import Stochastic


class Guard(Stochastic):
    """Activations (n, *S) to what is sent in their place, of the same shape; as it stands, the same.

    What it draws at random comes from its own generator, `rng`.
    """

    def expected(self, activations: Tensor) -> Tensor:
        """Return the mean of what is sent for activations (n, *S): all that somebody knows who knows the guard, but not its draws."""
        return activations

    def forward(self, activations: Tensor) -> Tensor:
        """Return what is sent for activations (n, *S)."""
        return self.expected(activations)
