"""The functional mechanism (Zhang et al., PVLDB 5, 2012): linear regression whose objective is noisy; as Fredrikson et al. (2014) used it."""

from __future__ import annotations

import math

import numpy as np

from workbench.tabular.encoding import Features
from workbench.tabular.models.linear import LeastSquares, with_intercept
from workbench.tabular.table import Array

REGULARISED = 4.0  # times the noise's deviation that is added to the diagonal (section 6.1)


def private_regression(
    features: Features, values: Array, limits: tuple[float, float], epsilon: float, seed: int
) -> LeastSquares:
    """Return a regression that is ε-differentially private with regard to any one record.

    The objective is a polynomial of the weights whose coefficients are sums over records; each gets Laplace noise of scale
    Δ/ε with Δ = 2(1 + 2d + d²) (theorem 3 and section 4.2). Records are scaled so that ‖x‖ ≤ 1, the response to [-1, 1].
    A noisy quadratic form need not have a minimum: it is regularised and its directions that still fall are cut off
    (sections 6.1 and 6.2), which costs no privacy.

    Args:
        features: (N, D) in [0, 1], as an encoder makes them.
        values: (N,) the response; outside the limits it is cut.
        limits: what the response lies between, known without looking at any record.
    """
    rng = np.random.default_rng(seed)
    low, high = limits
    y = 2 * (values.clip(low, high) - low) / (high - low) - 1
    x = with_intercept(features)
    x = x / math.sqrt(x.shape[1])
    d = x.shape[1]
    scale = 2 * (1 + 2 * d + d * d) / epsilon
    upper = np.triu(x.T @ x + rng.laplace(0, scale, (d, d)))
    quadratic = upper + np.triu(upper, 1).T
    linear = -2 * (x.T @ y) + rng.laplace(0, scale, d)
    quadratic += REGULARISED * math.sqrt(2) * scale * np.eye(d)
    sizes, directions = np.linalg.eigh(quadratic)
    kept = directions[:, sizes > 0]
    w = -0.5 * kept @ ((kept.T @ linear) / sizes[sizes > 0])
    weights = w / math.sqrt(d) * (high - low) / 2
    weights[-1] += (high + low) / 2
    return LeastSquares(weights)
