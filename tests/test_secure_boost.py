"""SecureBoost: the trees are the plain ones to the bit, and one party sees nothing but ciphertexts and sums."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from workbench.analysis import vertical_costs
from workbench.analysis.vertical_costs import Vertical
from workbench.tabular.models.secure_boost import TwoParties, halves
from workbench.tabular.scenarios.base import Records, Response
from workbench.tabular.table import Column, DataTable
from workbench.tabular.vertical.boosting import Boosting, SecureBoost
from workbench.tabular.vertical.sums import LEVELS, Clear, Encrypted, whole

RNG = np.random.default_rng(0)
FEATURES = RNG.random((300, 6)).astype(np.float32)
FEATURES[:, 4] = FEATURES[:, 4] > 0.5  # as a category's
POSITIVE = ((FEATURES[:, 0] > 0.4) & (FEATURES[:, 5] > 0.3) | (FEATURES[:, 4] == 1) & (FEATURES[:, 1] > 0.8)).astype(
    float
)


def trained(sums=None, rows: int = 300, **how) -> SecureBoost:
    return SecureBoost(Boosting(**how), halves(6), sums).fit(FEATURES[:rows], POSITIVE[:rows])


def test_two_parties_learn_what_neither_could_alone():
    alone = SecureBoost(Boosting(), (np.arange(3), np.arange(0))).fit(FEATURES, POSITIVE)
    right = [((m.likely(FEATURES) > 0.5) == POSITIVE).mean() for m in (trained(), alone)]
    assert right[0] > 0.95 and right[0] > right[1] + 0.05
    assert {0, 1} == {tree.party for tree in trained(trees=6).trees}


def test_encrypted_trees_are_the_plain_ones_to_the_bit():
    pytest.importorskip("phe")
    how = dict(rows=40, trees=2, depth=2, bins=3)
    plain, hidden = trained(**how), trained(Encrypted(bits=512), **how)
    assert hidden.trees == plain.trees and np.array_equal(hidden.likely(FEATURES), plain.likely(FEATURES))
    assert hidden.sums.sent > 8 * plain.sums.sent // 2 > 0


def test_sums_are_of_counts_gradients_and_curvatures_and_ciphertexts_differ():
    pytest.importorskip("phe")
    g, h = whole(np.array([-0.5, 0.25, 0.999])), whole(np.array([0.1, 0.2, 0.0]))
    groups = [np.array([0, 2]), np.array([], dtype=np.int64), np.array([1])]
    hidden = Encrypted(bits=512)
    sent = hidden.send(g, h)
    assert len(set(hidden.send(g[[0, 0]], h[[0, 0]]))) == 2, "equal gradients must not look equal"
    found = hidden.open(hidden.add(sent, groups))
    clear = Clear()
    assert np.array_equal(found, clear.open(clear.add(clear.send(g, h), groups)))
    assert found[0].tolist() == [2, round((0.999 - 0.5) * LEVELS), round(0.1 * LEVELS)]


def test_a_gain_is_the_formula():
    model = trained(trees=1, depth=1, penalty=1.0, bins=4)
    tree, p = model.trees[0], POSITIVE.mean()
    left = model.parties[tree.party].left(tree.split, FEATURES)
    for node, rows in ((tree.left, left), (tree.right, ~left)):
        g, h = (p - POSITIVE[rows]).sum(), p * (1 - p) * rows.sum()
        assert node.value == pytest.approx(-g / (h + 1.0), rel=1e-4)


def test_three_classes_are_told_apart():
    classes = (FEATURES[:, 0] * 3).astype(np.int64)
    scores = TwoParties().fit(FEATURES, classes, 3, 0).scores(FEATURES)
    assert np.allclose(scores.sum(1), 1) and (scores.argmax(1) == classes).mean() > 0.95


def test_both_ways_are_compared_on_a_table(monkeypatch):
    pytest.importorskip("phe")
    columns = (Column("a"), Column("b"), Column("ill", ("no", "yes")))
    table = DataTable(columns, np.concatenate([FEATURES[:, :2], (FEATURES[:, :1] > 0.5)], 1).astype(float))
    records = Records(table.rows(slice(0, 200)), table.rows(slice(200, 300)), "drawn here")
    place = SimpleNamespace(records=records, response=Response("ill", ("no", "yes")))
    monkeypatch.setattr(vertical_costs, "TABLES", {"x": lambda: place})
    clear, hidden = vertical_costs.compared("x", Vertical(rows=40, trees=1, depth=1, bins=2, bits=512))
    assert hidden.same and hidden.accuracy == clear.accuracy > clear.floor and hidden.sent > clear.sent
