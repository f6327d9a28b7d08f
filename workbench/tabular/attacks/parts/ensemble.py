"""A classifier of the sensitive value from everything else that is known of a record; the target is not asked."""

from __future__ import annotations

import numpy as np

from workbench.tabular.attacks.base import InferenceContext
from workbench.tabular.encoding import Features, encoder_of
from workbench.tabular.models.linear import spread
from workbench.tabular.table import Array, Codes

MOST = 20_000  # records that teach; more make no better forest and take long


class Learner:
    """A random forest.

    Args:
        trees: how many.
        leaf: fewest records in a leaf; with one, the forest remembers single records.
    """

    def __init__(self, trees: int, seed: int, leaf: int = 1) -> None:
        self.trees, self.seed, self.leaf = trees, seed, leaf

    def fit(self, features: Features, values: Codes, count: int) -> Learner:
        """Learn from features (n, D) and values (n,) below `count`."""
        from sklearn.ensemble import RandomForestClassifier

        self.count = count
        if len(features) > MOST:
            picked = np.random.default_rng(self.seed).choice(len(features), MOST, replace=False)
            features, values = features[picked], values[picked]
        self.forest = RandomForestClassifier(self.trees, min_samples_leaf=self.leaf, random_state=self.seed)
        self.forest.fit(features, values)
        return self

    def shares(self, features: Features) -> Array:
        """Return how likely every value is, (R, V), of features (R, D)."""
        return spread(self.forest.predict_proba(features), self.forest.classes_, self.count)


def known_features(ctx: InferenceContext, rows: Array, answers: Array) -> Features:
    """Return what is known of records as features (R, D): all columns but the sensitive and unknown ones, and the response.

    Args:
        rows: (R, C) records.
        answers: (R,) their true responses.
    """
    hidden = {ctx.sensitive, *ctx.unknown}
    kept = [i for i in range(len(ctx.columns)) if i not in hidden]
    features = encoder_of([ctx.columns[i] for i in kept]).encode(rows[:, kept])
    classes = ctx.response.grouped(answers)
    response = np.eye(len(ctx.response.classes), dtype=np.float32)[classes]
    number = answers[:, None].astype(np.float32) if ctx.response.is_number else np.zeros((len(rows), 0), np.float32)
    return np.concatenate([features, response, number], 1)
