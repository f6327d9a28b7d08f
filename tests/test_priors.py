"""Priors: every shipped one is a differentiable map from latents to images, with a plane to draw on."""

from __future__ import annotations

import pytest
import torch
from conftest import LinearPrior
from hypothesis import given
from hypothesis import strategies as st

from workbench.core.errors import DataMissing, Incompatible, UnknownName
from workbench.core.weights import save_weights
from workbench.priors import PRIORS, load_prior
from workbench.priors.base import prior_card, prior_problem, weights_name
from workbench.priors.gan import GAN, Encoder
from workbench.priors.gan_training import Recipe, train_gan
from workbench.priors.plane import principal_plane, telling_plane
from workbench.scenarios import SCENARIOS

SHIPPED = [(s.key, p.key) for s in SCENARIOS for p in PRIORS]
each_shipped = pytest.mark.parametrize(("scenario", "key"), SHIPPED, scope="module")


@pytest.fixture(scope="module")
def prior(scenario, key):
    return load_prior(scenario, key)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@each_shipped
def test_samples_decode_to_images_that_differ(prior, scenario, key):
    z = prior.sample(8, rng())
    images = prior.decode(z)
    assert prior_problem(scenario, key) is None
    assert z.shape == (8, prior.latent_dim) and images.shape == (8, *SCENARIOS[scenario].input_shape)
    assert images.dtype == torch.float32 and images.min() >= 0 and images.max() <= 1
    distances = torch.pdist(images.flatten(1)) / images[0].numel() ** 0.5
    assert distances.min() > 0.02, "samples look alike: the prior has collapsed"


@each_shipped
def test_a_seed_decides_the_samples_and_the_global_generator_nothing(prior, scenario, key):
    before = torch.get_rng_state()
    first, again, other = prior.sample(4, rng(1)), prior.sample(4, rng(1)), prior.sample(4, rng(2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


@each_shipped
def test_gradients_reach_the_latent_and_nothing_else(prior, scenario, key):
    z = prior.sample(3, rng()).requires_grad_()
    images = prior.decode(z)
    (gradient,) = torch.autograd.grad(images.sum(), z)
    assert torch.isfinite(gradient).all() and (gradient.abs().sum(1) > 0).all()
    assert not prior.training and not any(p.requires_grad for p in prior.parameters())


@each_shipped
def test_an_images_neighbours_do_not_change_it(prior, scenario, key):
    z = prior.sample(4, rng())
    assert torch.allclose(prior.decode(z)[2:3], prior.decode(z[2:3]), atol=1e-5)


@each_shipped
def test_a_critic_prefers_photographs_to_samples(prior, scenario, key):
    if not prior.discriminates:
        with pytest.raises(NotImplementedError):
            prior.discriminate(torch.rand(1, *prior.shape))
        return
    with torch.no_grad():
        real = prior.discriminate(SCENARIOS[scenario]().private.heldout.images[:64])
        drawn = prior.discriminate(prior.decode(prior.sample(64, rng())))
    assert real.shape == drawn.shape == (64,) and real.mean() > drawn.mean()


@each_shipped
def test_the_planes_are_orthonormal_and_carry_their_cloud(prior, scenario, key):
    z = prior.sample(64, rng(3))
    for plane, points in ((prior.plane, z), (prior.image_plane, prior.decode(z).detach())):
        # Stored in half precision.
        assert torch.allclose(plane.basis.T @ plane.basis, torch.eye(3), atol=5e-3)
        assert plane.cloud.shape[1] == 3 and 100 <= len(plane.cloud) <= 1000
        shown = plane.project(points)
        assert shown.shape == (64, 3)
        spread = plane.cloud.std(0)
        assert ((shown.std(0) / spread > 0.5) & (shown.std(0) / spread < 2)).all()


@each_shipped
def test_the_card_says_what_the_prior_has_seen(prior, scenario, key):
    card = prior_card(scenario, key)
    assert card["data"] and card["public_images"] > 0 and card["recipe"] and card["architecture"] == prior.architecture


@given(st.floats(-1e6, 1e6), st.integers(1, 4))
def test_projection_is_idempotent_and_two_sided(scale, n):
    prior = LinearPrior()
    z = torch.randn(n, prior.latent_dim, generator=rng()) * scale
    held = prior.project(z)
    assert held.abs().max() <= prior.bound and torch.equal(prior.project(held), held)
    inside = z.abs() <= prior.bound
    assert torch.equal(held[inside], z[inside])


# Planes


def test_the_principal_plane_finds_the_widest_directions():
    points = torch.randn(400, 10, generator=rng()) * torch.tensor([9.0, 5, 3] + [0.1] * 7) + 4
    plane = principal_plane(points)
    assert torch.allclose(plane.basis.abs()[:3], torch.eye(3), atol=0.1)
    assert torch.allclose(plane.project(points), plane.cloud, atol=1e-3)
    assert torch.allclose(plane.project(plane.centre[None]), torch.zeros(1, 3), atol=1e-4)


def test_the_telling_plane_finds_the_latents_that_change_images():
    prior = LinearPrior()
    z = prior.sample(400, rng())
    plane = telling_plane(z, prior.decode(z))
    # The last two latents hardly change the image, so the plane lies in the span of the first four.
    assert plane.basis[4:].abs().max() < 0.1
    assert torch.allclose(plane.basis.T @ plane.basis, torch.eye(3), atol=1e-5)


# Loading and training


@pytest.mark.usefixtures("models")
def test_a_missing_prior_says_how_to_train_it():
    with pytest.raises(DataMissing, match=r"no trained 'gan' prior for faces.*train prior --scenario faces --prior gan"):
        load_prior("faces", "gan")
    with pytest.raises(UnknownName, match="Did you mean 'gan'"):
        load_prior("faces", "gam")


TINY = dict(shape=(1, 16, 16), latent_dim=4, widths=[8, 8], critic_widths=[8, 8])


@pytest.mark.usefixtures("models")
def test_weights_of_another_shape_are_refused():
    gan = GAN(**TINY)
    plane = {f"{n}.{k}": torch.zeros(3, 3) for n in ("plane", "image_plane") for k in ("centre", "basis", "cloud")}
    save_weights(weights_name("faces", "gan"), {**gan.state_dict(), **plane},
                 {"architecture": {**gan.architecture, "latent_dim": 5}})
    with pytest.raises(Incompatible, match="faces/gan do not fit"):
        load_prior("faces", "gan")


def test_the_encoder_and_the_decoder_have_one_latent():
    mean, logvar = Encoder(TINY["shape"], 4, TINY["widths"])(torch.rand(2, *TINY["shape"]))
    assert mean.shape == logvar.shape == (2, 4) and logvar.abs().max() <= 8


def test_training_publishes_a_prior_that_loads_and_resumes(models, tmp_path):
    """A few steps of either phase on a toy set; what it draws is of no interest here."""
    recipe = Recipe(latent_dim=4, widths=(8, 8), critic_widths=(8, 8), vae_steps=4, gan_steps=4, batch=8)
    public = torch.rand(32, 1, 16, 16, generator=rng())
    progress = list(train_gan("faces", public, recipe, flips=True, device="cpu", source="noise",
                              checkpoint=tmp_path / "state"))
    prior = load_prior("faces", "gan")
    assert progress[-1].step == 8 and prior_card("faces", "gan")["finished"]
    assert not (tmp_path / "state").exists() and (models / "faces").is_dir()
    assert prior.decode(prior.sample(2, rng())).shape == (2, 1, 16, 16)
    assert prior.plane.project(prior.sample(2, rng())).shape == (2, 3)
