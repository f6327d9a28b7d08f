"""The linear model: a dosing equation by least squares, or logistic regression where the response is a class."""

from __future__ import annotations

import numpy as np

from workbench.tabular.encoding import Features
from workbench.tabular.models.base import model
from workbench.tabular.table import Array, Codes

RIDGE = 1e-3  # a record's worth: categories that sum to one leave the plain equation without one answer


class LeastSquares:
    """Linear regression with an intercept; a little ridge settles what the features leave open."""

    def __init__(self, weights: Array | None = None) -> None:
        self.weights: Array = np.zeros(0) if weights is None else weights  # (D + 1,), the intercept last

    def fit(self, features: Features, values: Array) -> LeastSquares:
        x = with_intercept(features)
        self.weights = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ values).astype(np.float64)
        return self

    def values(self, features: Features) -> Array:
        return with_intercept(features) @ self.weights


def with_intercept(features: Features) -> Array:
    """Return features (N, D) with a column of ones, (N, D + 1)."""
    return np.concatenate([features.astype(float), np.ones((len(features), 1))], 1)


@model(
    "linear",
    title="Linear model",
    summary="Least squares of a number, as the warfarin dosing equation; logistic regression of a class.",
    order=0,
    regresses=True,
    private="functional mechanism",
)
class Logistic:
    """Multinomial logistic regression; for a number, `LeastSquares` is used in its place."""

    def fit(self, features: Features, classes: Codes, count: int, seed: int) -> Logistic:
        from sklearn.linear_model import LogisticRegression

        self.count = count
        self.fitted = LogisticRegression(max_iter=500, random_state=seed).fit(features, classes)
        return self

    def scores(self, features: Features) -> Array:
        return spread(self.fitted.predict_proba(features), self.fitted.classes_, self.count)


def spread(found: Array, classes: Codes, count: int) -> Array:
    """Return confidences (N, K) of K = `count` classes from those of the classes (k,) that were learnt, (N, k)."""
    scores = np.zeros((len(found), count))
    scores[:, classes] = found
    return scores
