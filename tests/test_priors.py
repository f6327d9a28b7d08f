"""Priors: every shipped one maps latents to images as the interface says; the training loop keeps its promises."""

from __future__ import annotations

import pytest
import torch
from conftest import LinearPrior
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F  # noqa: N812

from workbench.core.errors import (
    DataMissing,
    Incompatible,
    KnobError,
    NotFinite,
    UnknownName,
    UsageError,
    WeightsCorrupt,
)
from workbench.core.paths import models_dir
from workbench.core.weights import load_weights, read_card, save_weights
from workbench.priors import PRIORS, Prior, load_prior
from workbench.priors.base import Luminance, Setting, lender_of, luminance, prior_card, prior_problem, weights_name
from workbench.priors.gan import GAN
from workbench.priors.plane import principal_plane, telling_plane
from workbench.priors.style import Modulated, Style, StyleTrainer
from workbench.priors.training import loop as training
from workbench.priors.training.adversarial import Adversarial, AdversarialRecipe, Encoder
from workbench.priors.training.loop import MovingAverage, augmented, train
from workbench.scenarios import SCENARIOS
from workbench.trainings.start import QUALITIES, checkpoint_path, overrides_for, train_prior

SHIPPED = [(s.key, p.key) for s in SCENARIOS for p in PRIORS if prior_problem(s.key, p.key) is None]
# Where sampling is slow, digits show as much as faces do, and in a third of the time.
EACH = [
    pytest.param(s, k, marks=[pytest.mark.slow] if PRIORS[k].shown < Prior.shown and s != "digits" else [])
    for s, k in SHIPPED
]
each_shipped = pytest.mark.parametrize(("scenario", "key"), EACH, scope="module")
MEGABYTE = 2**20


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_labels(prior: Prior, n: int) -> torch.Tensor | None:
    """Return a class for each of `n` latents where the prior wants one."""
    return torch.arange(n) % prior.num_classes if prior.conditional else None


@pytest.fixture(scope="module")
def prior(scenario, key):
    return load_prior(scenario, key)


@pytest.fixture(scope="module")
def drawn(prior):
    """Eight latents and their images."""
    z = prior.sample(8, rng())
    with torch.no_grad():
        return z, prior.decode(z, some_labels(prior, 8))


# Every shipped prior


def test_every_scenario_has_its_default_prior():
    assert {s.key for s in SCENARIOS if prior_problem(s.key, s.item.default_prior) is None} >= {"faces", "digits"}


@each_shipped
def test_samples_decode_to_images_that_differ(prior, drawn, scenario, key):
    z, images = drawn
    assert prior.shape == SCENARIOS[scenario].input_shape
    assert z.shape == (8, prior.latent_dim) and images.shape == (8, *prior.shape)
    assert images.dtype == torch.float32 and images.min() >= 0 and images.max() <= 1
    distances = torch.pdist(images.flatten(1)) / images[0].numel() ** 0.5
    assert distances.min() > 0.02, "samples look alike: the prior has collapsed"


@each_shipped
def test_a_seed_decides_the_samples_and_the_global_generator_nothing(prior, drawn, scenario, key):
    before = torch.get_rng_state()
    first, again, other = prior.sample(4, rng(1)), prior.sample(4, rng(1)), prior.sample(4, rng(2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    z, images = drawn
    with torch.no_grad():
        assert torch.equal(prior.decode(z, some_labels(prior, 8)), images)
    assert torch.equal(torch.get_rng_state(), before)


@each_shipped
def test_gradients_reach_the_latent_and_nothing_else(prior, scenario, key):
    z = prior.sample(2, rng()).requires_grad_()
    images = prior.decode(z, some_labels(prior, 2))
    (gradient,) = torch.autograd.grad(images.sum(), z)
    assert torch.isfinite(gradient).all() and (gradient.abs().sum(1) > 0).all()
    assert not prior.training and not any(p.requires_grad for p in prior.parameters())


@each_shipped
def test_an_images_neighbours_do_not_change_it(prior, drawn, scenario, key):
    z, images = drawn
    labels = some_labels(prior, 8)
    with torch.no_grad():
        alone = prior.decode(z[2:3], None if labels is None else labels[2:3])
    assert torch.allclose(images[2:3], alone, atol=1e-4)


@each_shipped
def test_truncation_draws_towards_one_centre(prior, drawn, scenario, key):
    z, _ = drawn
    assert torch.allclose(prior.truncate(z, 1.0), z, atol=1e-6)
    centre = prior.truncate(z, 0.0)
    assert torch.allclose(centre, centre[:1].expand_as(centre), atol=1e-6)
    assert torch.allclose((prior.truncate(z, 0.5) - centre).norm(dim=1), (z - centre).norm(dim=1) / 2, rtol=1e-4)


@each_shipped
def test_projection_is_idempotent_and_leaves_most_samples(prior, scenario, key):
    z = prior.sample(64, rng(4))
    held = prior.project(z)
    assert torch.allclose(prior.project(held), held, atol=1e-6)
    assert (held - z).norm() < 0.15 * z.norm(), "the projection moves what the prior itself draws"
    far = prior.project(z * 1e4)
    assert torch.isfinite(far).all() and torch.allclose(prior.project(far), far, atol=1e-6)


@each_shipped
def test_discriminate_exists_where_it_is_declared(prior, drawn, scenario, key):
    images, labels = drawn[1], some_labels(prior, 8)
    if not prior.discriminates:
        with pytest.raises(NotImplementedError):
            prior.discriminate(images, labels)
        return
    shown = images.clone().requires_grad_()
    scores = prior.discriminate(shown, labels)
    (gradient,) = torch.autograd.grad(scores.sum(), shown)
    assert scores.shape == (8,) and torch.isfinite(gradient).all() and gradient.abs().sum() > 0


@each_shipped
def test_a_critic_prefers_photographs_to_samples(prior, scenario, key):
    card, place = prior_card(scenario, key), SCENARIOS[scenario]()
    if not prior.discriminates or isinstance(prior, Luminance) or place.problem():
        pytest.skip("no critic of its own, or no photographs here")
    if card["steps"] <= card["recipe"].get("vae_steps", 0):
        pytest.skip("its training has not reached the critic yet")
    real = place.private.heldout
    some = torch.randperm(len(real.images), generator=rng())[:100]
    labels = real.labels[some] if prior.conditional else None
    with torch.no_grad():
        samples = prior.decode(prior.sample(len(some), rng()), labels)
        assert prior.discriminate(real.images[some], labels).mean() > prior.discriminate(samples, labels).mean()


@each_shipped
def test_a_conditional_prior_wants_classes_and_draws_them(prior, drawn, scenario, key):
    z, _ = drawn
    if not prior.conditional:
        with torch.no_grad():
            assert torch.equal(prior.decode(z[:2], torch.tensor([0, 1])), prior.decode(z[:2]))
        return
    with pytest.raises(ValueError, match="labels"):
        prior.decode(z[:2])
    with torch.no_grad():
        one, other = (prior.decode(z[:2], torch.full((2,), c)) for c in (0, 1))
    assert (one - other).abs().mean() > 0.01, "the class makes no difference"


@each_shipped
def test_the_planes_are_orthonormal_and_carry_their_cloud(prior, scenario, key):
    n = 64 if prior.shown >= 1000 else 16  # fewer where sampling is slow
    z = prior.sample(n, rng(3))
    with torch.no_grad():
        images = prior.decode(z, some_labels(prior, n))
    for plane, points in ((prior.plane, z), (prior.image_plane, images)):
        # Stored in half precision.
        assert torch.allclose(plane.basis.T @ plane.basis, torch.eye(3), atol=5e-3)
        assert plane.cloud.shape[1] == 3 and 50 <= len(plane.cloud) <= 1000
        shown = plane.project(points)
        assert shown.shape == (n, 3)
        spread = plane.cloud.std(0)
        assert ((shown.std(0) / spread > 0.4) & (shown.std(0) / spread < 2.5)).all()


@each_shipped
def test_the_card_says_what_the_prior_has_seen(prior, scenario, key):
    card = prior_card(scenario, key)
    inner = prior.inner if isinstance(prior, Luminance) else prior
    assert card["what"] and card["data"] and card["paper"] and card["public_images"] > 0 and card["recipe"]
    assert card["quality"] in QUALITIES and isinstance(card["finished"], bool)
    assert card["steps"] > 0 and card["seconds"] > 0 and len(card["sha256"]) == 64
    assert card["architecture"] == inner.architecture
    assert "seed" in card or "seed" in card["recipe"]
    if PRIORS[key].tuned:
        assert card["target"] and card["defense"]


def test_weights_are_small_enough_to_ship():
    files = [p for p in models_dir().rglob("*.safetensors") if ".checkpoints" not in p.parts]
    sizes = {str(p.relative_to(models_dir())): p.stat().st_size for p in files}
    assert all(size <= 20 * MEGABYTE for size in sizes.values()), sizes
    assert sum(sizes.values()) <= 150 * MEGABYTE


@given(st.floats(-1e6, 1e6), st.integers(1, 4))
def test_the_plain_projection_is_idempotent_and_two_sided(scale, n):
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


# Loading


@pytest.mark.usefixtures("models")
def test_a_missing_prior_says_how_to_train_it():
    with pytest.raises(
        DataMissing, match=r"no trained 'gan' prior for faces.*train prior --scenario faces --prior gan"
    ):
        load_prior("faces", "gan")
    with pytest.raises(UnknownName, match="Did you mean 'gan'"):
        load_prior("faces", "gam")


TINY = dict(shape=(1, 16, 16), latent_dim=4, widths=[8, 8], critic_widths=[8, 8])


@pytest.mark.usefixtures("models")
def test_weights_of_another_shape_are_refused():
    gan = GAN(**TINY)
    plane = {f"{n}.{k}": torch.zeros(3, 3) for n in ("plane", "image_plane") for k in ("centre", "basis", "cloud")}
    save_weights(
        weights_name("faces", "gan"),
        {**gan.state_dict(), **plane},
        {"architecture": {**gan.architecture, "latent_dim": 5}},
    )
    with pytest.raises(Incompatible, match="faces/gan do not fit"):
        load_prior("faces", "gan")


# Training. Toy sizes; what such a prior draws is of no interest.

TOY = AdversarialRecipe(vae_steps=3, gan_steps=7, batch=8)  # step 8 meets the gradient penalty


def stripes(n: int = 64, channels: int = 1) -> torch.Tensor:
    """Return images (n, C, 16, 16) that two numbers describe: where an edge is and how bright one side."""
    g = rng(7)
    edge, level = torch.rand(n, 1, 1, 1, generator=g), torch.rand(n, 1, 1, 1, generator=g)
    across = torch.linspace(0, 1, 16).expand(n, channels, 16, 16)
    return torch.where(across < edge, level, 1 - level)


def setting_of(seed: int = 0, channels: int = 1, scenario: str = "faces") -> Setting:
    return Setting(scenario, stripes(channels=channels), True, torch.device("cpu"), seed=seed)


def toy(key: str, setting: Setting, recipe: AdversarialRecipe = TOY, **overrides) -> Adversarial:
    torch.manual_seed(setting.seed)
    shape = tuple(setting.public.shape[1:])
    if key == "gan":
        return Adversarial(GAN(shape, 4, [8, 8], [8, 8]), [8, 8], setting, recipe, overrides)
    return StyleTrainer(Style(shape, 4, 6, [8, 8, 8], [8, 8]), [8, 8], setting, recipe, overrides)


each_kind = pytest.mark.parametrize("key", ["gan", "style"])


def test_the_encoder_and_the_decoder_have_one_latent():
    mean, logvar = Encoder(TINY["shape"], 4, TINY["widths"])(torch.rand(2, *TINY["shape"]))
    assert mean.shape == logvar.shape == (2, 4) and logvar.abs().max() <= 8


@each_kind
def test_training_publishes_a_prior_that_loads(key, models, tmp_path):
    setting, checkpoint = setting_of(), tmp_path / "state"
    progress = list(train(key, toy(key, setting), setting, source="stripes", checkpoint=checkpoint))
    prior, card = load_prior("faces", key), prior_card("faces", key)
    assert [p.step for p in progress] == [1, 10] and progress[-1].samples.shape == (16, 1, 16, 16)
    assert progress[0].samples is None and {"reconstruction", "kl"} <= set(progress[0].losses)
    assert "critic" in progress[-1].losses and not checkpoint.exists()
    assert prior.decode(prior.sample(2, rng())).shape == (2, 1, 16, 16)
    assert prior.plane.project(prior.sample(2, rng())).shape == (2, 3)
    assert {
        "what",
        "data",
        "public_images",
        "recipe",
        "steps",
        "quality",
        "finished",
        "seconds",
        "device",
        "threads",
        "seed",
        "paper",
        "architecture",
        "sha256",
        "bytes",
    } <= set(card)
    assert (card["finished"], card["steps"], card["data"], card["public_images"]) == (True, 10, "stripes", 64)
    assert card["recipe"]["vae_steps"] == 3 and card["bytes"] <= 20 * MEGABYTE
    assert sorted(p.name for p in (models / "faces").iterdir()) == [f"prior-{key}.json", f"prior-{key}.safetensors"]


@each_kind
def test_a_resumed_training_ends_as_an_uninterrupted_one(key, models, monkeypatch):
    monkeypatch.setattr(training, "SAVE_EVERY", 6)
    setting, checkpoint = setting_of(), models / "state"
    list(train(key, toy(key, setting), setting, source="stripes"))
    whole, _ = load_weights(f"faces/prior-{key}")

    first = train(key, toy(key, setting), setting, source="stripes", checkpoint=checkpoint)
    assert next(p.step for p in first if p.samples is not None) == 6
    first.close()
    assert checkpoint.exists() and prior_card("faces", key)["finished"] is False
    half, _ = load_weights(f"faces/prior-{key}")
    assert any(not torch.equal(half[k], whole[k]) for k in whole)

    # Another seed's first weights: everything that matters must come from the checkpoint.
    stranger = toy(key, setting_of(seed=5))
    stranger.seed = setting.seed
    rest = list(train(key, stranger, setting, source="stripes", checkpoint=checkpoint))
    resumed, card = load_weights(f"faces/prior-{key}")
    assert [p.step for p in rest] == [10] and card["steps"] == 10 and card["finished"]
    assert resumed.keys() == whole.keys() and all(torch.equal(resumed[k], whole[k]) for k in whole)


@each_kind
def test_training_lowers_the_reconstruction_error(key, models):
    setting = setting_of()
    long = AdversarialRecipe(vae_steps=250, gan_steps=0, batch=16, kl=0.5)
    progress = list(train(key, toy(key, setting, long), setting, source="stripes"))
    assert progress[-1].losses["reconstruction"] < 0.6 * progress[0].losses["reconstruction"]


@pytest.mark.parametrize(
    ("images", "steps"), [(20, (300, 300)), (640, (400, 400)), (1760, (1000, 1100)), (23_000, (1000, 1200))]
)
def test_few_public_images_are_learnt_in_fewer_steps(images, steps):
    recipe = AdversarialRecipe(vae_steps=1000, gan_steps=1200, batch=64).suited(images)
    assert (recipe.vae_steps, recipe.gan_steps) == steps


def test_what_is_asked_for_outweighs_what_suits_so_few_images():
    assert toy("gan", setting_of(), vae_steps=700).how.vae_steps == 700


@each_kind
def test_the_critic_learns_to_tell_and_the_learning_rate_falls(key, models):
    setting = setting_of()
    trainer = toy(key, setting, AdversarialRecipe(vae_steps=20, gan_steps=120, batch=8))
    progress = list(train(key, trainer, setting, source="stripes"))
    judged = [p.losses["critic"] for p in progress if "critic" in p.losses]
    assert judged[-1] < 1.9 < judged[0] + 0.2, "the hinge loss of a critic that knows nothing is 2"
    assert trainer.drawing.param_groups[0]["lr"] == pytest.approx(trainer.how.lr_gan * 0.1)
    assert all(p.requires_grad for p in trainer.critic)


class Diverging(Adversarial):
    """Its losses are infinite from step 7 on."""

    def step(self, step, rng):
        found = super().step(step, rng)
        return {**found, "kl": torch.tensor(torch.inf)} if step >= 7 else found


def test_a_diverged_training_is_refused_and_leaves_what_was_saved(models, monkeypatch):
    monkeypatch.setattr(training, "SAVE_EVERY", 6)
    setting = setting_of()
    torch.manual_seed(0)
    trainer = Diverging(GAN(**TINY), [8, 8], setting, TOY, {})
    with pytest.raises(NotFinite, match=r"'gan' prior diverged at step 9.*lower the learning rate"):
        list(train("gan", trainer, setting, source="stripes", checkpoint=models / "state"))
    card = prior_card("faces", "gan")
    assert card["steps"] == 6 and card["finished"] is False
    assert load_prior("faces", "gan").decode(torch.zeros(1, 4)).isfinite().all()


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"nonsense"],
    ids=["cut short", "empty", "nonsense"],
)
def test_a_damaged_checkpoint_is_named(damage, models, monkeypatch):
    monkeypatch.setattr(training, "SAVE_EVERY", 2)
    setting, checkpoint = setting_of(), models / "state"
    progress = train("gan", toy("gan", setting), setting, source="stripes", checkpoint=checkpoint)
    next(p for p in progress if p.samples is not None)
    progress.close()
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    with pytest.raises(WeightsCorrupt, match="Start without --resume"):
        next(train("gan", toy("gan", setting), setting, source="stripes", checkpoint=checkpoint))
    assert prior_card("faces", "gan")["steps"] == 2


def test_a_checkpoint_of_another_recipe_is_named(models, monkeypatch):
    monkeypatch.setattr(training, "SAVE_EVERY", 2)
    setting, checkpoint = setting_of(), models / "state"
    progress = train("gan", toy("gan", setting), setting, source="stripes", checkpoint=checkpoint)
    next(p for p in progress if p.samples is not None)
    progress.close()
    with pytest.raises(WeightsCorrupt, match="of another recipe"):
        next(train("style", toy("style", setting), setting, source="stripes", checkpoint=checkpoint))


def test_the_average_follows_slowly_and_copies_buffers():
    moving = torch.nn.BatchNorm1d(1)
    average = MovingAverage(moving, 0.9)
    with torch.no_grad():
        moving.weight.fill_(12.0)
        moving.running_mean.fill_(5.0)
    average.update(moving, 0)
    assert average.kept.weight.item() == pytest.approx(1 / 11 * 1 + 10 / 11 * 12)
    average.update(moving, 10_000)
    assert average.kept.weight.item() == pytest.approx(0.9 * 11 + 0.1 * 12)
    assert average.kept.running_mean.item() == 5.0 and not average.kept.weight.requires_grad


def test_augmentation_mirrors_faces_and_leaves_digits():
    images = stripes(32)
    assert torch.equal(augmented(images, False, rng()), images)
    changed = augmented(images, True, rng())
    assert changed.min() >= 0 and changed.max() <= 1 and not torch.equal(changed, images)
    assert torch.equal(changed, augmented(images, True, rng()))


@each_kind
def test_a_prior_is_trained_by_its_name(key, models, monkeypatch):
    """The real sizes of a small scenario, a few steps long."""
    monkeypatch.setattr(Prior, "shown", 100)
    public = torch.rand(64, 1, 32, 32, generator=rng())
    steps = list(
        train_prior(
            "digits", key, public=public, source="noise", recipe={"vae_steps": "2", "gan_steps": "1", "batch": "4"}
        )
    )
    card = prior_card("digits", key)
    assert steps[-1].total == 3 and card["recipe"]["batch"] == 4 and card["data"] == "noise"
    assert load_prior("digits", key).shape == SCENARIOS["digits"].input_shape
    assert not checkpoint_path("digits", key).exists()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        (dict(quality="best"), UsageError, "quick or full"),
        (dict(target="cnn"), UsageError, "leave --target"),
        (dict(defense="mid"), UsageError, "leave --target"),
        (dict(recipe={"vae_step": "3"}), KnobError, "it has: vae_steps"),
        (dict(recipe={"batch": "many"}), KnobError, "not a int"),
    ],
)
def test_a_wrong_wish_trains_nothing(options, error, words, models):
    with pytest.raises(error, match=words):
        next(train_prior("digits", "gan", public=stripes(), **options))
    assert not list(models.rglob("*"))


def test_recipe_texts_become_the_recipes_types():
    assert overrides_for({"steps": 5, "lr": 0.1}, {"steps": "7", "lr": "1e-3"}) == {"steps": 7, "lr": 1e-3}


# Style


@pytest.fixture(scope="module")
def style() -> Style:
    torch.manual_seed(0)
    model = Style((3, 16, 16), 8, 6, [12, 10, 8], [4, 4]).eval()
    with torch.no_grad():
        for block in model.blocks:
            block.strength.fill_(0.3)
            block.affine.weight.mul_(3)
    return model


def test_one_w_for_every_layer_is_w_plus(style):
    w = style.sample(5, rng())
    wide = style.widen(w)
    assert wide.shape == (5, style.layers * style.latent_dim) and style.layers == 3
    assert torch.equal(style.decode(wide), style.decode(w))
    for k in range(style.layers):
        changed = wide.clone().unflatten(1, (style.layers, -1))
        changed[:, k] += 1
        assert not torch.allclose(style.decode(changed.flatten(1)), style.decode(w), atol=1e-4), f"layer {k} is deaf"


def test_truncation_and_bounds_treat_each_layers_w_alike(style):
    w = style.sample(5, rng()) * 50
    for act in (lambda v: style.truncate(v, 0.3), style.project):
        assert torch.equal(act(style.widen(w)), style.widen(act(w)))


def test_the_mapping_sees_the_direction_of_z_alone(style):
    z = torch.randn(4, 8, generator=rng())
    assert torch.allclose(style.to_w(z), style.to_w(3 * z), atol=1e-5)


@pytest.mark.parametrize("upsample", [False, True])
def test_modulation_is_that_of_the_weights(upsample):
    """StyleGAN2, eqs. 1-3, written out for each image: scale the weights, then bring them to unit length."""
    torch.manual_seed(1)
    layer = Modulated(5, 7, 6, 16 if upsample else 8, upsample=upsample).eval()
    x, w = torch.randn(3, 5, 8, 8), torch.randn(3, 6)
    with torch.no_grad():
        found = layer(x, w)
        for k in range(3):
            style = layer.affine(w[k])
            if upsample:
                own = layer.weight * style[:, None, None, None]
                own = own / (own.pow(2).sum((0, 2, 3), keepdim=True) / 4 + 1e-6).sqrt()
                plain = F.conv_transpose2d(x[k : k + 1], own, stride=2, padding=1)
            else:
                own = layer.weight * style[None, :, None, None]
                own = own / (own.pow(2).sum((1, 2, 3), keepdim=True) + 1e-6).sqrt()
                plain = F.conv2d(x[k : k + 1], own, padding=1)
            wanted = F.leaky_relu(plain + layer.bias[:, None, None], 0.2) * 2**0.5
            assert torch.allclose(found[k : k + 1], wanted, atol=1e-4)


@pytest.mark.parametrize("upsample", [False, True])
def test_demodulation_brings_the_output_to_unit_variance(upsample):
    torch.manual_seed(2)
    layer = Modulated(64, 64, 6, 64 if upsample else 32, upsample=upsample).eval()
    x, w = torch.randn(4, 64, 32, 32), torch.randn(4, 6) * torch.tensor([0.1, 1.0, 5.0, 20.0])[:, None]
    with torch.no_grad():
        out = layer(x, w) / 2**0.5
    plain = torch.where(out < 0, out / 0.2, out)[:, :, 2:-2, 2:-2]  # undo the leaky ReLU; borders see zeros
    assert torch.allclose(plain.flatten(1).var(1), torch.ones(4), atol=0.05)


def test_a_golden_modulated_convolution():
    """One channel, all weights 1, style 2 at each input: demodulation cancels the style, 9 / sqrt(9) = 3 inside."""
    layer = Modulated(1, 1, 1, 3, upsample=False).eval()
    with torch.no_grad():
        layer.weight.fill_(1.0)
        layer.affine.weight.fill_(0.0)
        layer.affine.bias.fill_(2.0)
        found = layer(torch.ones(1, 1, 3, 3), torch.zeros(1, 1))
    assert found[0, 0, 1, 1].item() == pytest.approx(3 * 2**0.5, rel=1e-5)
    assert found[0, 0, 0, 0].item() == pytest.approx(4 / 3 * 2**0.5, rel=1e-5)


def test_training_measures_the_mean_and_spread_of_w(models):
    setting = setting_of()
    list(train("style", toy("style", setting), setting, source="stripes"))
    prior = load_prior("faces", "style")
    w = prior.sample(8000, rng(9))
    assert torch.allclose(prior.mean_w, w.mean(0), atol=0.1 * w.std(0).max().item())
    assert torch.allclose(prior.std_w, w.std(0), rtol=0.1)
    assert torch.allclose(prior.truncate(w[:2], 0.0), prior.mean_w.expand(2, -1))
    far = prior.project(w + 1e3)
    assert torch.allclose(far, (prior.mean_w + prior.bound * prior.std_w).expand_as(far), rtol=1e-4, atol=1e-4)


def test_noise_is_drawn_afresh_in_training_and_fixed_afterwards():
    torch.manual_seed(0)
    layer = Modulated(2, 2, 2, 8, upsample=False)
    layer.strength.data.fill_(1.0)
    x, w = torch.zeros(1, 2, 8, 8), torch.zeros(1, 2)
    assert not torch.equal(layer(x, w), layer(x, w))
    layer.eval()
    assert torch.equal(layer(x, w), layer(x, w))


# A colour prior for a grey scenario


@pytest.fixture
def borrowed(models, key) -> Luminance:
    """A toy colour prior of lfw, as faces sees it."""
    assert SCENARIOS["faces"].borrows == "lfw"
    setting = setting_of(channels=3, scenario="lfw")
    list(train(key, toy(key, setting), setting, source="stripes"))
    return load_prior("faces", key)


@each_kind
def test_a_grey_scenario_borrows_colour_priors(borrowed, key):
    assert isinstance(borrowed, Luminance) and prior_problem("faces", key) is None and lender_of("faces", key) == "lfw"
    assert lender_of("lfw", key) is None and prior_card("faces", key) == read_card(f"lfw/prior-{key}")
    colour = load_prior("lfw", key)
    z = borrowed.sample(4, rng())
    assert torch.equal(z, colour.sample(4, rng()))
    red, green, blue = colour.decode(z).unbind(1)
    assert borrowed.shape == (1, 16, 16)
    assert torch.allclose(borrowed.decode(z)[:, 0], 0.299 * red + 0.587 * green + 0.114 * blue, atol=1e-6)
    assert torch.equal(borrowed.project(z * 9), colour.project(z * 9))
    assert torch.equal(borrowed.truncate(z, 0.4), colour.truncate(z, 0.4))
    grey = torch.rand(3, 1, 16, 16, generator=rng())
    assert torch.equal(borrowed.discriminate(grey), colour.discriminate(grey.repeat(1, 3, 1, 1)))


@each_kind
def test_the_grey_image_plane_is_orthonormal_and_draws_the_samples(borrowed, key):
    basis = borrowed.image_plane.basis
    assert torch.allclose(basis.T @ basis, torch.eye(3), atol=1e-4) and len(basis) == 256
    assert borrowed.image_plane.project(borrowed.decode(borrowed.sample(4, rng()))).shape == (4, 3)
    assert borrowed.plane is borrowed.inner.plane


@pytest.mark.parametrize("key", ["style"])
def test_what_only_one_kind_offers_is_reached_through_the_adapter(borrowed, key):
    w = borrowed.sample(2, rng())
    assert borrowed.widen(w).shape == (2, borrowed.layers * borrowed.latent_dim)
    assert torch.equal(borrowed.mean_w, borrowed.inner.mean_w)
    with pytest.raises(AttributeError):
        borrowed.nothing_of_the_kind


@pytest.mark.parametrize("key", ["gan"])
def test_a_scenarios_own_prior_comes_first(borrowed, key):
    setting = setting_of()
    list(train(key, toy(key, setting), setting, source="stripes"))
    assert lender_of("faces", key) is None and not isinstance(load_prior("faces", key), Luminance)


def test_luminance_keeps_grey_and_range():
    grey = torch.rand(2, 1, 4, 4, generator=rng())
    assert torch.allclose(luminance(grey.expand(-1, 3, -1, -1)), grey, atol=1e-6)
    assert luminance(torch.ones(1, 3, 2, 2)).max().item() == pytest.approx(1.0)
