"""Calibration: by hand, and against another implementation."""

from __future__ import annotations

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import multiclass_calibration_error

from workbench.metrics.calibration import bins_of, calibration, histogram


def draw(seed: int, n: int = 60, classes: int = 4, sharpness: float = 2.0):
    rng = torch.Generator().manual_seed(seed)
    return (sharpness * torch.randn(n, classes, generator=rng)).softmax(1), torch.randint(classes, (n,), generator=rng)


def test_by_hand():
    """Four answers of 0.78, three of them right, and two of 0.57, both wrong."""
    p = torch.tensor([[0.78, 0.22]] * 4 + [[0.43, 0.57]] * 2)
    found = calibration(p, torch.tensor([0, 0, 0, 1, 0, 0]), bins=10)
    assert found.n == 6 and found.accuracy == pytest.approx(0.5) and found.confidence == pytest.approx(4.26 / 6)
    assert found.ece == pytest.approx((4 * 0.03 + 2 * 0.57) / 6) and found.mce == pytest.approx(0.57)
    assert found.counts == [0] * 5 + [2, 0, 4, 0, 0] and found.bin_accuracy[7] == pytest.approx(0.75)
    assert found.bin_confidence[5] == pytest.approx(0.57) and found.bin_accuracy[0] is None
    assert found.nll == pytest.approx(-(3 * math.log(0.78) + math.log(0.22) + 2 * math.log(0.43)) / 6)
    assert found.brier == pytest.approx((3 * 0.0968 + 1.2168 + 2 * 0.6498) / 6)


@given(st.integers(0, 500), st.integers(2, 20))
def test_the_expected_error_is_that_of_torchmetrics(seed, bins):
    p, y = draw(seed)
    other = multiclass_calibration_error(p, y, num_classes=4, n_bins=bins, norm="l1").item()
    assert calibration(p, y, bins).ece == pytest.approx(other, abs=1e-5)


def test_a_sure_and_right_classifier_is_calibrated_and_a_sure_and_wrong_one_is_not():
    sure = torch.eye(3)
    good, bad = calibration(sure, torch.arange(3)), calibration(sure, (torch.arange(3) + 1) % 3)
    assert (good.ece, good.mce, good.nll, good.brier) == (0, 0, 0, 0) and good.counts[-1] == 3
    assert (bad.ece, bad.mce, bad.brier) == (1, 1, 2) and bad.nll is None
    assert json.loads(json.dumps(bad.to_json()))["nll"] is None


@given(st.integers(0, 500), st.integers(1, 30))
def test_every_image_is_in_one_bin(seed, bins):
    confidence = draw(seed)[0].amax(1)
    counts = histogram(confidence, bins)
    assert sum(counts) == len(confidence) and len(counts) == bins
    for place, value in zip(bins_of(confidence, bins).tolist(), confidence.tolist(), strict=True):
        assert place / bins - 1e-6 <= value <= (place + 1) / bins + 1e-6


def test_the_ends_belong_to_the_outermost_bins():
    assert histogram(torch.tensor([0.0, 0.2, 1.0]), 5) == [2, 0, 0, 0, 1]
