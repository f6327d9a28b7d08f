"""Boosted trees that two parties train together: the one with the labels has the first half of the features, another the rest.

Cheng et al., IEEE Intelligent Systems 2021, https://arxiv.org/abs/1901.08755. The trees are those of the encrypted training to the
bit; `python -m workbench federated boost` trains both and says what encryption costs.
"""

from __future__ import annotations

import numpy as np

from workbench.tabular.encoding import Features
from workbench.tabular.models.base import model
from workbench.tabular.table import Array, Codes
from workbench.tabular.vertical.boosting import Boosting, SecureBoost
from workbench.tabular.vertical.sums import Whole


def halves(width: int) -> tuple[Whole, Whole]:
    """Return the numbers of the features that each of two parties has, of D = `width`."""
    return np.arange(width // 2), np.arange(width // 2, width)


@model(
    "secure-boost",
    title="SecureBoost, two parties",
    summary="Boosted trees of two parties with different columns; whoever asks the model sees no difference.",
    order=6,
)
class TwoParties:
    def fit(self, features: Features, classes: Codes, count: int, seed: int) -> TwoParties:
        each = range(count) if count > 2 else [1]
        parties = halves(features.shape[1])
        self.models = [
            SecureBoost(Boosting(), parties, seed=seed).fit(features, (classes == c).astype(float)) for c in each
        ]
        return self

    def scores(self, features: Features) -> Array:
        likely = np.stack([one.likely(features) for one in self.models], 1)
        if likely.shape[1] == 1:
            return np.concatenate([1 - likely, likely], 1)
        return likely / likely.sum(1, keepdims=True)
