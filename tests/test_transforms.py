"""Random views of images: known answers at the ends of their ranges, the range kept, gradients, per-image draws."""

from __future__ import annotations

import pytest
import torch

from workbench.priors import transforms
from workbench.priors.transforms import color_jitter, flip, random_resized_crop, rotate


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(n: int = 6, channels: int = 3, height: int = 8, width: int = 8) -> torch.Tensor:
    return torch.rand(n, channels, height, width, generator=rng(9))


VIEWS = {
    "random_resized_crop": lambda x, g: random_resized_crop(x, g, (0.3, 0.9), (0.8, 1.2)),
    "rotate": lambda x, g: rotate(x, g, 20.0),
    "flip": flip,
    "color_jitter": lambda x, g: color_jitter(x, g, 0.5, 0.5),
}
each_view = pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)


@each_view
def test_a_view_keeps_shape_and_range_and_is_decided_by_its_generator(view):
    images, before = pictures(width=12), torch.get_rng_state()
    seen = view(images, rng(1))
    assert seen.shape == images.shape and seen.dtype == images.dtype
    assert seen.min() >= 0 and seen.max() <= 1
    assert torch.equal(seen, view(images, rng(1))) and not torch.equal(seen, view(images, rng(2)))
    assert torch.equal(torch.get_rng_state(), before)


@each_view
def test_every_image_draws_for_itself(view):
    alike = pictures(1).expand(16, -1, -1, -1)
    seen = view(alike, rng())
    assert (seen != seen[:1]).any(), "all images got the same view"


@each_view
def test_views_are_differentiable(view):
    # Away from 0 and 1, where clamping has no slope.
    images = (0.3 + 0.2 * pictures(3, 1, 5, 5)).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: view(x, rng(3)), (images,))


def test_the_whole_image_is_the_image():
    images = pictures()
    assert torch.allclose(random_resized_crop(images, rng(), (1.0, 1.0)), images, atol=1e-5)
    assert torch.allclose(rotate(images, rng(), 0.0), images, atol=1e-5)
    assert torch.equal(flip(images, rng(), 0.0), images)
    assert torch.equal(flip(images, rng(), 1.0), images.flip(3))
    assert torch.equal(color_jitter(images, rng(), 0.5, 0.5, p=0.0), images)
    assert torch.allclose(color_jitter(images, rng(), 0.0, 0.0), images, atol=1e-6)


def test_a_crop_of_a_slope_is_a_flatter_slope():
    """On a horizontal ramp a part of area s has 1/√s of the slope, and begins within the image."""
    ramp = torch.linspace(0, 1, 33).expand(8, 1, 33, 33)
    seen = random_resized_crop(ramp, rng(), (0.25, 0.25))
    slopes = seen[..., 2:-2].diff(dim=3)
    assert torch.allclose(slopes, torch.full_like(slopes, 0.5 / 32), atol=1e-5)
    assert torch.allclose(seen, seen[:, :, :1].expand_as(seen), atol=1e-5)


def test_the_aspect_ratio_is_width_over_height():
    across = torch.linspace(0, 1, 33).expand(4, 1, 33, 33)
    part = dict(scale=(0.25, 0.25), ratio=(4.0, 4.0))  # the whole width, a quarter of the height
    assert torch.allclose(random_resized_crop(across, rng(), **part), across, atol=1e-5)
    down = random_resized_crop(across.transpose(2, 3), rng(), **part)[:, :, 2:-2].diff(dim=2)
    assert torch.allclose(down, torch.full_like(down, 0.25 / 32), atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(9, 9), (6, 12)])
def test_a_half_turn_is_two_flips(height, width, monkeypatch):
    monkeypatch.setattr(transforms, "_uniform", lambda n, between, rng: torch.full((n,), between[1]))
    images = pictures(2, 1, height, width)
    assert torch.allclose(rotate(images, rng(), 180.0), images.flip(2, 3), atol=1e-4)


def test_a_quarter_turn_is_rot90(monkeypatch):
    monkeypatch.setattr(transforms, "_uniform", lambda n, between, rng: torch.full((n,), between[1]))
    images = pictures(2)
    turned = rotate(images, rng(), 90.0)
    assert min((turned - images.rot90(k, (2, 3))).abs().max() for k in (1, 3)) < 1e-4


def test_rotation_of_an_oblong_keeps_lengths(monkeypatch):
    """A disc stays a disc, whatever the sides of the image."""
    monkeypatch.setattr(transforms, "_uniform", lambda n, between, rng: torch.full((n,), between[1]))
    y, x = torch.meshgrid(torch.arange(20) - 9.5, torch.arange(40) - 19.5, indexing="ij")
    disc = torch.exp(-(x**2 + y**2) / 18)[None, None]
    assert torch.allclose(rotate(disc, rng(), 37.0), disc, atol=0.03)


def test_brightness_multiplies_and_contrast_keeps_the_mean(monkeypatch):
    monkeypatch.setattr(transforms, "_uniform", lambda n, between, rng: torch.full((n,), between[1]))
    images = torch.tensor([0.2, 0.4]).view(1, 1, 1, 2)
    assert torch.allclose(color_jitter(images, rng(), 0.5, 0.0), torch.tensor([0.3, 0.6]).view(1, 1, 1, 2))
    assert torch.allclose(color_jitter(images, rng(), 0.0, 0.5), torch.tensor([0.15, 0.45]).view(1, 1, 1, 2))


def test_probabilities_are_shares_of_the_batch():
    many = pictures(2000, 1, 2, 2)
    mirrored = (flip(many, rng(), 0.25) != many).flatten(1).any(1).float().mean()
    jittered = (color_jitter(many, rng(), p=0.5) != many).flatten(1).any(1).float().mean()
    assert mirrored.item() == pytest.approx(0.25, abs=0.04) and jittered.item() == pytest.approx(0.5, abs=0.04)
