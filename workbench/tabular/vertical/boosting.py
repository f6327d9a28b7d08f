"""SecureBoost: boosted trees of two parties, of whom one has the labels and some columns, the other the rest.

Cheng, Fan, Jin, Liu, Chen, Papadopoulos and Yang, IEEE Intelligent Systems 2021, https://arxiv.org/abs/1901.08755, Algorithms 1
and 2, on the gain of Chen and Guestrin, KDD 2016, eq. 7: ½ [G_L²/(H_L + λ) + G_R²/(H_R + λ) − G²/(H + λ)] − γ. The party with the
labels sends encrypted gradients; the other sums them by its own bins, under numbers in an order of its own, and of a split that
is taken tells which records go left. Neither learns the other's columns, nor the thresholds on them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.tabular.encoding import Features
from workbench.tabular.table import Array
from workbench.tabular.vertical.sums import LEVELS, Clear, Sums, Whole, whole


@dataclass(eq=False)
class Party:
    """Who holds some features of the records, and the splits on them.

    Attributes:
        columns: numbers of its features.
        order: seed of the order in which it names its splits.
    """

    columns: Whole
    bins: int
    order: int
    cuts: list[tuple[int, float]] = field(default_factory=list)
    _features: Features = field(init=False, repr=False)

    def learn(self, features: Features) -> None:
        """Choose every split that it may make, (feature, threshold), from its own features (N, D) alone."""
        self._features = features
        found: list[tuple[int, float]] = []
        for column in self.columns:
            values = np.unique(features[:, column])
            middles = (values[:-1] + values[1:]) / 2
            if len(middles) > self.bins:
                middles = np.quantile(features[:, column], np.arange(1, self.bins + 1) / (self.bins + 1))
            found += [(int(column), float(cut)) for cut in np.unique(middles)]
        self.cuts = [found[i] for i in np.random.default_rng(self.order).permutation(len(found))]

    def groups(self, rows: Whole) -> list[Whole]:
        """Return for each of its splits which of some records go left."""
        return [rows[self._features[rows, column] <= cut] for column, cut in self.cuts]

    def left(self, number: int, features: Features) -> NDArray[np.bool_]:
        """Return which records (N, D) go left at its split of this number, (N,) bool."""
        column, cut = self.cuts[number]
        return features[:, column] <= cut


@dataclass
class Node:
    """Attributes: value: what a leaf adds. party, split: who splits, and by which of its splits; −1 in a leaf."""

    value: float = 0.0
    party: int = -1
    split: int = -1
    left: Node | None = None
    right: Node | None = None


@dataclass(frozen=True)
class Boosting:
    """How trees grow.

    Attributes:
        rate: share of each tree's answer that counts.
        penalty: λ, on the size of a leaf's answer.
        least: γ, gain that a split must have.
        bins: thresholds on a number, at most.
    """

    trees: int = 10
    depth: int = 3
    rate: float = 0.3
    penalty: float = 1.0
    least: float = 0.0
    bins: int = 16


class SecureBoost:
    """Boosted trees for two classes.

    Args:
        parties: columns of each, the party with the labels first.
        sums: how gradients travel to the other party and sums back.
    """

    def __init__(self, how: Boosting, parties: tuple[Whole, Whole], sums: Sums | None = None, seed: int = 0) -> None:
        self.how, self.sums = how, sums or Clear()
        self.parties = [Party(columns, how.bins, seed + i) for i, columns in enumerate(parties)]
        self.trees: list[Node] = []
        self.start = 0.0

    def fit(self, features: Features, positive: Array) -> SecureBoost:
        """Learn from features (N, D) in [0, 1] and which records are positive, (N,) 0 or 1."""
        for party in self.parties:
            party.learn(features)
        share = float(np.clip(positive.mean(), 1e-6, 1 - 1e-6))
        self.start, self.trees = float(np.log(share / (1 - share))), []
        raw = np.full(len(features), self.start)
        for _ in range(self.how.trees):
            likely = 1 / (1 + np.exp(-raw))
            g, h = whole(likely - positive), whole(likely * (1 - likely))
            tree = self._grown(np.arange(len(features)), g, h, self.sums.send(g, h), self.how.depth)
            self.trees.append(tree)
            raw = raw + self.how.rate * self._answers(tree, features)
        return self

    def _grown(self, rows: Whole, g: Whole, h: Whole, sent: Any, depth: int) -> Node:
        total = np.array([len(rows), g[rows].sum(), h[rows].sum()])
        node = Node(value=-total[1] / (total[2] + self.how.penalty * LEVELS))
        if depth == 0 or len(rows) < 2:
            return node
        own, other = (party.groups(rows) for party in self.parties)
        clear = Clear()
        found = [clear.add(clear.send(g, h), own), self.sums.open(self.sums.add(sent, other))]
        gains = [self._gains(sums, total) for sums in found]
        best = max((0, 1), key=lambda who: gains[who].max(initial=-np.inf))
        if gains[best].max(initial=-np.inf) <= self.how.least:
            return node
        node.party, node.split = best, int(gains[best].argmax())
        left = (own, other)[best][node.split]
        node.left = self._grown(left, g, h, sent, depth - 1)
        node.right = self._grown(np.setdiff1d(rows, left, assume_unique=True), g, h, sent, depth - 1)
        return node

    def _gains(self, sums: Whole, total: Whole) -> Array:
        """Return the gain of each split, (splits,), of what goes left, (splits, 3), and all of the node's, (3,)."""

        def worth(s: Array) -> Array:
            return np.square(s[..., 1]) / (s[..., 2] + self.how.penalty)

        left, whole_ = sums / LEVELS, total / LEVELS
        gain = 0.5 * (worth(left) + worth(whole_ - left) - worth(whole_))
        return np.where((sums[:, 0] > 0) & (sums[:, 0] < total[0]), gain, -np.inf)

    def _answers(self, node: Node, features: Features) -> Array:
        """Return what a tree says of features (N, D), (N,): each party sends records on at its own splits."""
        if node.left is None or node.right is None:
            return np.full(len(features), node.value)
        left = self.parties[node.party].left(node.split, features)
        return np.where(left, self._answers(node.left, features), self._answers(node.right, features))

    def likely(self, features: Features) -> Array:
        """Return how likely each of features (N, D) is positive, (N,)."""
        raw = self.start + self.how.rate * sum(
            (self._answers(tree, features) for tree in self.trees), start=np.zeros(1)
        )
        return 1 / (1 + np.exp(-np.broadcast_to(raw, len(features))))
