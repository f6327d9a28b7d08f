"""How far activations are from those that were intercepted."""

from __future__ import annotations

from torch import Tensor

LEAST = 1e-8  # of a spread: a layer that answers every place alike would be divided by nothing


def gap(activations: Tensor, sent: Tensor) -> Tensor:
    """Return the mean squared difference of activations from `sent`, both (N, *S), in shares of the spread of `sent`, (N,).

    He et al., ACSAC 2019, equation 2; divided by the spread, so that a weight beside it means the same at every layer.
    """
    spread = sent.flatten(1).var(1).clamp_min(LEAST)
    return (activations - sent).pow(2).flatten(1).mean(1) / spread
