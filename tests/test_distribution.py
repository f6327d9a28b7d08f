"""Distances of whole sets, against closed forms, hand-made sets and a second implementation."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance

from workbench.metrics import distribution
from workbench.metrics.distribution import (
    ENOUGH,
    frechet,
    frechet_distance,
    mean_distance,
    moments,
    reach,
    spread_ratio,
    support,
)


def gaussian(n: int, width: int, seed: int = 0, **like) -> torch.Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed), **like)


def line(*points: float) -> torch.Tensor:
    return torch.tensor(points, dtype=torch.float32)[:, None]


def some_covariance(seed: int, width: int = 5) -> torch.Tensor:
    return moments(gaussian(3 * width, width, seed) * torch.arange(1.0, width + 1))[1]


# Fréchet


def test_gaussians_with_one_set_of_axes():
    """The covariances commute: the sum of squared differences of means and of standard deviations."""
    mean1, mean2 = torch.tensor([0.0, 1, 2]), torch.tensor([3.0, 1, 0])
    std1, std2 = torch.tensor([1.0, 2, 0]), torch.tensor([4.0, 2, 5])
    turn = torch.linalg.qr(gaussian(3, 3, 1, dtype=torch.float64)).Q
    found = frechet_distance(
        mean1.double(),
        turn @ std1.double().pow(2).diag() @ turn.T,
        mean2.double(),
        turn @ std2.double().pow(2).diag() @ turn.T,
    )
    assert found == pytest.approx(9 + 0 + 4 + 9 + 0 + 25, rel=1e-9)


def test_two_dimensions_have_a_closed_form_for_any_axes():
    """tr((AB)^½) = sqrt(tr(AB) + 2 sqrt(det(AB))) of 2x2 matrices."""
    a, b = torch.tensor([[2.0, 0.5], [0.5, 1.0]]), torch.tensor([[1.0, -0.8], [-0.8, 3.0]])
    product = a @ b
    cross = math.sqrt(product.trace().item() + 2 * math.sqrt(torch.linalg.det(product).item()))
    zero = torch.zeros(2)
    assert frechet_distance(zero, a, zero, b) == pytest.approx(3 + 4 - 2 * cross, rel=1e-5)


@given(st.integers(0, 1000), st.floats(-100, 100))
def test_the_distance_is_symmetric_and_blind_to_a_common_shift(seed, shift):
    one, other = some_covariance(seed), some_covariance(seed + 1)
    mean1, mean2 = gaussian(1, 5, seed)[0], gaussian(1, 5, seed + 1)[0]
    there = frechet_distance(mean1, one, mean2, other)
    assert frechet_distance(mean2, other, mean1, one) == pytest.approx(there, rel=1e-6)
    assert frechet_distance(mean1 + shift, one, mean2 + shift, other) == pytest.approx(there, rel=1e-3, abs=1e-3)
    assert frechet_distance(mean1, one, mean1, one) == pytest.approx(0, abs=1e-6)


def test_fewer_images_than_features_give_a_finite_distance():
    few = gaussian(10, 40)
    assert frechet(few, few).value == pytest.approx(0, abs=1e-4)
    assert math.isfinite(frechet(few, gaussian(12, 40, 1)).value)


class Columns(nn.Module):
    """Features that a second implementation can be given: the image itself."""

    num_features = 6

    def forward(self, images):
        return images.flatten(1).float()


@pytest.mark.parametrize("n", [9, 200])
def test_a_second_implementation_agrees(n):
    one, other = gaussian(n, 6) * torch.arange(1.0, 7), gaussian(n + 50, 6, 1) + 0.5
    judge = FrechetInceptionDistance(Columns(), input_img_size=(1, 2, 3))
    judge.update(one.view(-1, 1, 2, 3), real=False)
    judge.update(other.view(-1, 1, 2, 3), real=True)
    assert frechet(one, other).value == pytest.approx(judge.compute().item(), rel=1e-3)


def test_a_small_set_is_called_biased():
    found, enough = (
        frechet(gaussian(100, 20), gaussian(5000, 20, 1)),
        frechet(gaussian(5000, 20), gaussian(5000, 20, 1)),
    )
    assert (found.n, found.features, found.biased) == (100, 20, True) and not enough.biased
    assert found.value > 3 * enough.value, "both are 0 in truth; the flag must mean something"
    assert not frechet(gaussian(ENOUGH * 4, 4), gaussian(ENOUGH * 4, 4, 1)).biased


def test_moments_are_those_of_the_sample():
    features = gaussian(50, 3) * 4 + 1000
    mean, covariance = moments(features)
    assert mean.dtype == torch.float64 and torch.allclose(mean.float(), features.mean(0))
    assert torch.allclose(covariance.float(), features.T.cov(), rtol=1e-3, atol=1e-3)
    with pytest.raises(ValueError, match="at least 2"):
        moments(features[:1])


# Precision, recall, density, coverage


def test_reach_is_the_distance_to_the_kth_other_point():
    points = line(0, 1, 3, 7)
    assert reach(points, 1).tolist() == [1, 1, 2, 4] and reach(points, 3).tolist() == [7, 6, 4, 7]
    assert reach(line(5, 5, 9), 1).tolist() == [0, 0, 4]
    with pytest.raises(ValueError, match="at least 5 images; there are 4"):
        reach(points, 4)


def test_a_set_made_by_hand():
    """Real balls with k=1: 0±1, 1±1, 3±2, 10±7. Generated: 2 is in the second and third, 20 in none."""
    real, generated = line(0, 1, 3, 10), line(2, 20)
    found = support(generated, real, k=1, k_coverage=1)
    assert found.precision == 1 / 2
    assert found.density == 2 / (1 * 2), "2 lies in the balls of 1 and 3"
    assert found.coverage == 2 / 4
    assert found.recall == 1.0, "the generated balls are 18 wide"


def test_the_same_set_is_all_there_and_a_far_one_is_not():
    points = gaussian(60, 4)
    same, far = support(points, points), support(points + 100, points)
    assert (same.precision, same.recall, same.coverage) == (1, 1, 1)
    assert (far.precision, far.recall, far.density, far.coverage) == (0, 0, 0, 0)


def test_a_collapsed_prior_is_precise_but_recalls_and_covers_little():
    real = gaussian(400, 4)
    found = support(gaussian(400, 4, 1) * 0.05, real)
    assert found.precision == 1 and found.recall < 0.05 and found.coverage < 0.1 and found.density > 1


def test_outliers_among_the_real_raise_precision_but_hardly_density():
    """What Naeem et al. made density for."""
    real = torch.cat([gaussian(300, 2), 30 * gaussian(4, 2, 2)])
    generated = torch.cat([gaussian(150, 2, 1), gaussian(150, 2, 3) + 12])
    found = support(generated, real)
    assert found.precision > 0.9 and found.density < 0.7


@pytest.mark.parametrize(("n", "m"), [(300, 300), (100, 400)])
def test_sets_of_one_distribution_have_known_density_and_coverage(n, m):
    """In expectation density is 1 and coverage 1 - (m-1)...(m-k) / ((n+m-1)...(n+m-k)), whatever the distribution."""
    k = 5
    expected = 1 - math.prod(m - i for i in range(1, k + 1)) / math.prod(n + m - i for i in range(1, k + 1))
    found = [support(gaussian(n, 3, seed), gaussian(m, 3, 1000 + seed), k_coverage=k) for seed in range(20)]
    assert sum(f.density for f in found) / 20 == pytest.approx(1, abs=0.04)
    assert sum(f.coverage for f in found) / 20 == pytest.approx(expected, abs=0.02)


def test_the_size_of_a_batch_changes_nothing(monkeypatch):
    generated, real = gaussian(50, 3), gaussian(70, 3, 1)
    whole = (support(generated, real), mean_distance(real), reach(real, 3).tolist())
    monkeypatch.setattr(distribution, "ROWS", 7)
    assert (support(generated, real), pytest.approx(mean_distance(real)), reach(real, 3).tolist()) == whole
    assert max(len(part) for part in distribution.distances(generated, real)) == 7


# Spread


def test_the_mean_distance_counts_each_pair_of_different_points():
    assert mean_distance(line(0, 3, 6)) == pytest.approx((3 + 6 + 3) / 3)
    assert mean_distance(gaussian(2000, 50)) == pytest.approx(math.sqrt(2 * 50), rel=0.02)
    with pytest.raises(ValueError, match="at least 2"):
        mean_distance(line(0))


def test_the_spread_ratio_is_one_for_the_same_and_scales():
    points = gaussian(40, 3)
    assert spread_ratio(points + 9, points) == pytest.approx(1, rel=1e-5)
    assert spread_ratio(points * 0.25, points) == pytest.approx(0.25, rel=1e-5)
    assert spread_ratio(points * 0, points) == 0
