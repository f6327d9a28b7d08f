"""The decision tree: the target of Fredrikson et al. (CCS 2015) and of Mehnaz et al. (USENIX Security 2022).

Both trained theirs with BigML, whose pruning is not public. Cost-complexity pruning (Breiman et al., 1984) stands for it;
its strength was set once, so that the tree of Adult is about as accurate as theirs and that of the survey still asks about
the sensitive column.
"""

from __future__ import annotations

import numpy as np

from workbench.tabular.encoding import Features
from workbench.tabular.models.base import model
from workbench.tabular.models.linear import spread
from workbench.tabular.table import Array, Codes

PRUNING = 1e-4  # impurity that a split must save, as a share of all records'


@model(
    "tree",
    title="Decision tree",
    summary="Gini, pruned by cost and complexity; each leaf answers with the shares of its classes.",
    order=1,
    counts=True,
)
class DecisionTree:
    def fit(self, features: Features, classes: Codes, count: int, seed: int) -> DecisionTree:
        from sklearn.tree import DecisionTreeClassifier

        self.count, self.rows = count, len(features)
        self.fitted = DecisionTreeClassifier(ccp_alpha=PRUNING, random_state=seed).fit(features, classes)
        return self

    def scores(self, features: Features) -> Array:
        return spread(self.fitted.predict_proba(features), self.fitted.classes_, self.count)

    def leaves(self, features: Features) -> Codes:
        """Return which leaf each record ends in, (N,)."""
        return self.fitted.apply(features).astype(np.int64)

    @property
    def counts(self) -> Array:
        """How many records of each class reached each node while it was trained, (nodes, K)."""
        tree = self.fitted.tree_
        shares = spread(tree.value[:, 0, :], self.fitted.classes_, self.count)
        return shares / shares.sum(1, keepdims=True) * tree.weighted_n_node_samples[:, None]

    def reachable(self, fixed: dict[int, float]) -> Codes:
        """Return the leaves that a record may end in of which only some features are known, by their number."""
        tree, found, open_nodes = self.fitted.tree_, [], [0]
        while open_nodes:
            node = open_nodes.pop()
            left, right = int(tree.children_left[node]), int(tree.children_right[node])
            if left == right:  # a leaf
                found.append(node)
                continue
            value = fixed.get(int(tree.feature[node]))
            if value is None or value <= tree.threshold[node]:
                open_nodes.append(left)
            if value is None or value > tree.threshold[node]:
                open_nodes.append(right)
        return np.array(sorted(found), dtype=np.int64)
