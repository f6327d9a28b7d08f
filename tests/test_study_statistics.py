"""What answers come to, against published examples and independent references."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from workbench.study.statistics.alpha import alpha, alpha_interval, percent_agreement
from workbench.study.statistics.confusion import confusion
from workbench.study.statistics.correlation import correlation, ranks, spearman
from workbench.study.statistics.detection import detection
from workbench.study.statistics.preference import bradley_terry, bradley_terry_intervals, holm, pairs, sign_test

# Krippendorff 2011, section C: four observers, twelve units, values missing.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]
UNITS = [[v for v in unit if v is not None] for unit in zip(*OBSERVERS, strict=True)]


@pytest.mark.parametrize(("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_that_of_krippendorffs_own_example(level, published):
    assert alpha(UNITS, level) == pytest.approx(published, abs=5e-4)


def by_pairs(units, apart):
    """Alpha from its definition: mean difference of pairs within units over that of all pairs; no coincidence matrix."""
    units = [u for u in units if len(u) > 1]
    every = [v for u in units for v in u]
    observed = sum(
        apart(a, b) / (len(u) - 1) for u in units for i, a in enumerate(u) for j, b in enumerate(u) if i != j
    ) / len(every)
    chance = sum(apart(a, b) for i, a in enumerate(every) for j, b in enumerate(every) if i != j)
    return 1 - observed / (chance / (len(every) * (len(every) - 1)))


def test_alpha_is_that_of_its_definition_on_random_answers():
    rng = np.random.default_rng(3)
    units = [list(rng.integers(0, 4, size=rng.integers(1, 6))) for _ in range(30)]
    assert alpha(units, "nominal") == pytest.approx(by_pairs(units, lambda a, b: float(a != b)), abs=1e-9)
    assert alpha(units, "interval") == pytest.approx(by_pairs(units, lambda a, b: float(a - b) ** 2), abs=1e-9)


def test_alpha_of_what_nobody_judged_twice_or_all_alike_is_unknown():
    assert alpha([[1], [2]], "nominal") is None and alpha([[1, 1], [1, 1]], "nominal") is None
    assert alpha([], "ordinal") is None and alpha_interval([[1, 1]], "nominal") is None
    assert alpha([[0, 0], [1, 1]], "nominal") == 1.0


def test_alphas_interval_holds_it_and_agreement_is_the_share_of_pairs():
    low, high = alpha_interval(UNITS, "nominal")
    assert low < alpha(UNITS, "nominal") < high <= 1
    assert (
        percent_agreement([[1, 1, 2], [1, 1]]) == pytest.approx((2 + 2) / (6 + 2)) and percent_agreement([[1]]) is None
    )


def test_d_prime_is_the_difference_of_normal_quantiles():
    found = detection(84, 100, 16, 100)
    z = scipy.stats.norm.ppf([84.5 / 101, 16.5 / 101])
    assert found.d_prime == pytest.approx(z[0] - z[1], abs=1e-6) and found.criterion == pytest.approx(0, abs=1e-6)
    assert math.isfinite(detection(10, 10, 0, 10).d_prime) and detection(0, 0, 1, 2) is None
    assert detection(9, 10, 9, 10).criterion < 0 < detection(1, 10, 1, 10).criterion


# Agresti, Categorical Data Analysis: the American League of 1987, wins of the row over the column, and its estimates.
TEAMS = ["Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore"]
WINS = [
    [0, 7, 9, 7, 7, 9, 11],
    [6, 0, 7, 5, 11, 9, 9],
    [4, 6, 0, 7, 7, 8, 12],
    [6, 8, 6, 0, 6, 7, 10],
    [6, 2, 6, 7, 0, 7, 12],
    [4, 4, 5, 6, 6, 0, 6],
    [2, 4, 1, 3, 1, 7, 0],
]
GAMES = [(a, b) for a, row in zip(TEAMS, WINS, strict=True) for b, n in zip(TEAMS, row, strict=True) for _ in range(n)]
ESTIMATES = {
    "Milwaukee": 1.581,
    "Detroit": 1.436,
    "Toronto": 1.294,
    "New York": 1.248,
    "Boston": 1.108,
    "Cleveland": 0.684,
}


def test_bradley_terry_has_agrestis_estimates():
    found = bradley_terry(GAMES, prior=0)
    for team, estimate in ESTIMATES.items():
        assert found[team] - found["Baltimore"] == pytest.approx(estimate, abs=2e-3)


def test_who_never_lost_is_strong_and_finite():
    found = bradley_terry([("a", "b")] * 5)
    assert math.isfinite(found["a"]) and found["a"] > found["b"]
    assert bradley_terry_intervals([[("a", "b")]]) == {}
    low, high = bradley_terry_intervals([[("a", "b")] * 3, [("b", "a"), ("a", "b")], [("a", "b")] * 2])["a"]
    assert low < bradley_terry([("a", "b")] * 6 + [("b", "a")])["a"] <= high


def test_pairs_have_an_exact_test_and_holms_correction():
    (pair,) = pairs([("x", "y")] * 9 + [("y", "x")])
    assert (pair.first, pair.wins, pair.n) == ("x", 9, 10)
    assert pair.p == pytest.approx(scipy.stats.binomtest(9, 10).pvalue) and sign_test(5, 10) == 1.0
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_spearman_is_scipys_with_ties():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, 40).astype(float), rng.normal(size=40)
    assert spearman(a, b) == pytest.approx(scipy.stats.spearmanr(a, b).statistic, abs=1e-9)
    assert ranks(a) == pytest.approx(scipy.stats.rankdata(a))


def test_a_correlation_that_cannot_be_says_why():
    assert "4 are needed" in correlation([1.0, None], [0.5, 1.0]).why
    assert "same value" in correlation([1.0] * 5, [0.1, 0.2, 0.3, 0.4, 0.5]).why
    found = correlation([1.0, 2, 3, 4, None], [0.1, 0.2, 0.4, 0.3, 1.0])
    assert found.n == 4 and found.rho == pytest.approx(0.8) and found.interval[0] <= found.rho <= found.interval[1]


def test_the_four_rates_take_people_for_the_truth():
    found = confusion([True, True, False, True, False], [True, False, False, None, True])
    assert (found.fpr.hits, found.fpr.n) == (1, 2) and (found.tnr.hits, found.tnr.n) == (1, 2)
    assert (found.tpr.hits, found.tpr.n) == (1, 2) and (found.fnr.hits, found.fnr.n) == (1, 2)
    assert confusion([True], [None]).fpr.share is None
