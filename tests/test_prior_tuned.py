"""Priors tuned to a target: their losses by hand, where they start, what they learn, whose they are."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace

import pytest
import torch
from conftest import CLASSES, SHAPE, QuadrantVictim, frames_of, make_context
from safetensors.torch import save
from torch.nn import functional as F  # noqa: N812

from workbench.core.errors import DataMissing, Incompatible, NotFinite
from workbench.core.paths import ROOT
from workbench.core.records import Fork, RunConfig
from workbench.core.weights import load_weights, write_atomically
from workbench.engine.compatibility import attack_problem
from workbench.engine.model_cache import ModelCache
from workbench.engine.resolve import start_of
from workbench.priors import PRIORS, Prior, load_prior
from workbench.priors.base import Luminance, Setting, lender_of, prior_card, prior_problem
from workbench.priors.conditional_gan import ClassNorm, pseudo_labels
from workbench.priors.gan import GAN
from workbench.priors.inversion_gan import ClassHead
from workbench.priors.losses import (
    entropy,
    feature_matching,
    log_fakeness,
    log_realness,
    max_margin,
    soft_cross_entropy,
)
from workbench.priors.training import loop as training
from workbench.priors.training.loop import train
from workbench.priors.training.registry import TRAINERS
from workbench.runs.run_folder import RunFolder
from workbench.trainings.start import train_prior

KEYS = [e.key for e in PRIORS if e.item.tuned]
each_tuned = pytest.mark.parametrize("key", KEYS)
QUICK = dict(steps=6, batch=8)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rows(*values: list[float]) -> torch.Tensor:
    return torch.tensor(values)


def close(found: torch.Tensor, *wanted: float) -> bool:
    return torch.allclose(found, torch.tensor(wanted), atol=1e-5)


# The losses, by hand

LOG2, LOG3 = math.log(2), math.log(3)


def test_soft_cross_entropy_of_known_shares():
    logits = rows([LOG3, 0.0], [0.0, 0.0])  # p = (3/4, 1/4) and (1/2, 1/2)
    shares = rows([0.5, 0.5], [1.0, 0.0])
    assert close(soft_cross_entropy(logits, shares), -0.5 * math.log(0.75) - 0.5 * math.log(0.25), LOG2)
    hard = torch.tensor([1, 0])
    assert torch.allclose(
        soft_cross_entropy(logits, F.one_hot(hard, 2).float()), F.cross_entropy(logits, hard, reduction="none")
    )


def test_realness_is_the_share_of_the_classes_against_one_more():
    """Z = 3 + 1: D = 4/5. The loss of the attack, sp(lse d) − lse d, is −log D."""
    logits = rows([LOG3, 0.0])
    lse = logits.logsumexp(1)
    assert close(log_realness(logits), math.log(0.8)) and close(log_fakeness(logits), math.log(0.2))
    assert torch.allclose(-log_realness(logits), F.softplus(lse) - lse)
    assert torch.allclose(-log_fakeness(logits), F.softplus(lse))


def test_entropy_in_nats():
    assert close(
        entropy(rows([0.0, 0.0], [LOG3, 0.0], [100.0, 0.0])), LOG2, 0.25 * math.log(4) + 0.75 * math.log(4 / 3), 0.0
    )


def test_feature_matching_compares_means():
    drawn, real = rows([1.0, 0.0], [3.0, 0.0]), rows([0.0, 4.0], [0.0, 0.0])
    assert feature_matching(drawn, real).item() == pytest.approx((2 + 2) / 2)


def test_max_margin_is_the_best_rival_less_the_class():
    logits = rows([2.0, 5.0, -1.0], [2.0, 5.0, -1.0])
    assert close(max_margin(logits, torch.tensor([0, 1])), 3.0, -3.0)


def test_pseudo_labels_are_the_surest_images_of_each_class():
    shares = rows([0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3])
    assert pseudo_labels(shares, 2).tolist() == [[0, 3], [2, 1]]
    assert pseudo_labels(shares, 3).tolist() == [[0, 3, 1], [2, 1, 3]]  # an image may serve two classes


# The parts


def test_an_images_closeness_to_its_batch():
    """Salimans et al., section 3.2, for one kernel of one dimension that copies the only feature."""
    head = ClassHead(1, 1, 1, 1, peers=2)
    with torch.no_grad():
        head.kernels.fill_(1.0)
        head.logits.weight.copy_(rows([0.0, 1.0]))  # shows the closeness alone
        head.logits.bias.zero_()
        head.peers.copy_(torch.tensor([5.0, 6.0]).view(2, 1, 1))
    features = rows([0.0], [LOG2], [LOG2])
    assert close(head.train()(features)[:, 0], 0.5 + 0.5, 0.5 + 1, 0.5 + 1)
    assert close(head.eval()(rows([5.0]))[:, 0], 1 + math.exp(-1))


def test_class_norm_is_batch_norm_until_the_classes_part():
    norm = torch.nn.BatchNorm2d(3)
    x = torch.rand(6, 3, 4, 4, generator=rng())
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0, 3.0]))
        norm.bias.copy_(torch.tensor([0.1, 0.2, 0.3]))
        norm(x)
    own = ClassNorm(2, torch.nn.BatchNorm2d(3, affine=False))
    own.start_from(norm)
    labels = torch.tensor([0, 1, 0, 1, 0, 1])
    assert torch.allclose(own.eval()(x, labels), norm.eval()(x), atol=1e-5)
    with torch.no_grad():
        own.class_gain[1] *= 2
        own.class_shift[1] += 1
    plain = (x - norm.running_mean[:, None, None]) / (norm.running_var[:, None, None] + norm.eps).sqrt()
    wanted = norm.weight[:, None, None] * 2 * plain + norm.bias[:, None, None] + 1
    assert torch.allclose(own(x, labels)[1::2], wanted[1::2], atol=1e-5)
    assert torch.allclose(own(x, labels)[::2], norm(x)[::2], atol=1e-5)


# Training. A toy: a plain GAN of grey quadrants, and the victim that names the brightest one.


class Quadrants(QuadrantVictim):
    """The victim of the attacks' tests, frozen as the trainings' targets are."""

    def __init__(self) -> None:
        super().__init__(sharpness=8.0)
        self.eval().requires_grad_(False)


def public(n: int = 300) -> torch.Tensor:
    small = torch.rand(n, 1, 2, 2, generator=rng(3))
    return F.interpolate(small, scale_factor=SHAPE[1] // 2)


def base_gan(shape: tuple[int, int, int] = SHAPE) -> GAN:
    torch.manual_seed(4)
    gan = GAN(shape, 6, [16], [8])
    gan.train().decode(torch.randn(64, 6))  # statistics of its norms
    return gan.eval().requires_grad_(False)


def setting_of(**changes) -> Setting:
    return Setting(
        **{
            **dict(
                scenario="faces",
                public=public(),
                flips=True,
                device=torch.device("cpu"),
                target=Quadrants(),
                num_classes=CLASSES,
                base=base_gan(),
            ),
            **changes,
        }
    )


def trainer_of(key: str, setting: Setting | None = None, **recipe):
    return TRAINERS[key](setting or setting_of(), {**QUICK, **recipe})


def labels_for(prior, n: int) -> torch.Tensor:
    return torch.arange(n) % prior.num_classes


@each_tuned
def test_it_starts_as_the_plain_gan(key):
    base = base_gan()
    model = trainer_of(key, setting_of(base=base)).model.eval()
    z = torch.randn(8, 6, generator=rng())
    assert torch.allclose(model.decode(z, labels_for(model, 8)), base.decode(z), atol=1e-5)


@each_tuned
def test_against_a_defended_target_it_starts_as_the_one_tuned_to_the_undefended(key, models):
    setting = setting_of()
    list(train(key, trainer_of(key, setting, batch=9), setting, source="quadrants", target="cnn"))
    start = load_prior("faces", key, target="cnn")
    trainer = trainer_of(key, setting_of(base=start), steps=3)
    z = torch.randn(8, 6, generator=rng())
    model = trainer.model.eval()
    assert torch.allclose(model.decode(z, labels_for(model, 8)), start.decode(z, labels_for(start, 8)), atol=1e-3)
    images, labels = public(8), labels_for(model, 8)
    if key == "conditional-gan":  # the other's judgement depends on the batch
        assert torch.allclose(model.discriminate(images, labels), start.discriminate(images, labels), atol=1e-2)
    assert "tuned to the undefended target" in trainer.paper and "plain GAN" not in trainer.paper
    again = TRAINERS[key](setting_of(base=start), {})
    assert 0 < again.total < TRAINERS[key](setting, {}).total, "fewer steps are stated for a second tuning"


@each_tuned
def test_training_leaves_the_target_the_base_and_the_photographs_alone(key):
    setting = setting_of()
    before = [{k: v.clone() for k, v in part.state_dict().items()} for part in (setting.target, setting.base)]
    photographs = setting.public.clone()
    trainer = trainer_of(key, setting)
    for step in range(3):
        trainer.step(step, rng())
    for part, kept in zip((setting.target, setting.base), before, strict=True):
        assert all(torch.equal(part.state_dict()[k], v) for k, v in kept.items())
        assert not part.training and all(p.grad is None for p in part.parameters())
    assert torch.equal(setting.public, photographs)


@each_tuned
def test_a_step_moves_every_part(key):
    trainer = trainer_of(key, critic_steps=2)
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    for step in range(2):
        told = trainer.step(step, rng())
    assert all(v.ndim == 0 and torch.isfinite(v) and not v.requires_grad for v in told.values())
    # While no score is beyond the hinge, photographs and samples pull at the bias alike.
    still = [
        name
        for name, p in trainer.model.named_parameters()
        if torch.equal(p, before[name]) and (key, name) != ("conditional-gan", "critic_head.bias")
    ]
    assert not still, f"{still} never learnt"
    assert all(p.requires_grad for p in trainer.critic)


def test_the_conditional_prior_draws_the_classes_it_is_told_to():
    trainer = trainer_of("conditional-gan", setting_of(flips=False), steps=80, batch=32, lr=1e-3, lr_class=2e-2)
    margins, drawn = [], rng()
    for step in range(80):
        margins.append(trainer.step(step, drawn)["margin"].item())
    prior = trainer.prior()
    with torch.no_grad():
        labels, z = labels_for(prior, 40), prior.sample(40, rng(1))
        sure = trainer.target(prior.decode(z, labels)).softmax(1).gather(1, labels[:, None])
        plain = trainer_of("conditional-gan").prior()
        before = trainer.target(plain.decode(z, labels)).softmax(1).gather(1, labels[:, None])
    assert sum(margins[-10:]) < sum(margins[:10]) - 10  # 10 batches, a logit each
    assert before.mean() < 0.35 and sure.mean() > 0.6
    assert torch.pdist(prior.decode(z[::4], labels[::4]).flatten(1)).min() > 1e-3, "one image for every latent"


def test_the_inversion_discriminator_learns_what_the_target_says():
    trainer = trainer_of("inversion-gan", steps=80, batch=16, lr_critic=4e-3)
    told, drawn = [], rng()
    for step in range(80):
        told.append(trainer.step(step, drawn)["labels"].item())
    prior, images = trainer.prior(), public(80)
    with torch.no_grad():
        guess = prior.critic_head(prior.features(images)).argmax(1)
        agreed = (guess == trainer.target(images).argmax(1)).float().mean()
    assert sum(told[-10:]) < 0.9 * sum(told[:10]) and agreed > 0.5


def test_the_entropy_term_makes_samples_decidable():
    def unsure(weight: float) -> float:
        trainer = trainer_of("inversion-gan", steps=60, batch=16, entropy=weight, lr=2e-3)
        drawn = rng()
        for step in range(60):
            told = trainer.step(step, drawn)
        return told["entropy"].item()

    assert unsure(0.1) < 0.7 * unsure(0.0)


def test_discriminate_of_the_inversion_prior_is_its_prior_loss_and_the_batch_is_indifferent():
    prior = trainer_of("inversion-gan").prior()
    images = public(5)
    scores = prior.discriminate(images)
    lse = prior.critic_head(prior.features(images)).logsumexp(1)
    assert torch.allclose(scores, -(F.softplus(lse) - lse)) and (scores <= 0).all()
    assert torch.allclose(prior.discriminate(images[2:3]), scores[2:3], atol=1e-6)
    assert prior.critic_head.peers.abs().sum() > 0


def test_discriminate_of_the_conditional_prior_is_a_projection():
    prior = trainer_of("conditional-gan").prior()
    images, labels = public(6), torch.tensor([0, 1, 2, 3, 0, 1])
    seen = prior.critic(images * 2 - 1).flatten(1)
    embedded = prior.critic_classes.weight[labels]
    assert torch.allclose(
        prior.discriminate(images, labels), prior.critic_head(seen)[:, 0] + (seen * embedded).sum(1), atol=1e-5
    )
    with pytest.raises(ValueError, match="labels"):
        prior.discriminate(images)


def test_the_conditional_discriminator_is_held_to_a_slope_of_one():
    trainer = trainer_of("conditional-gan", lr_critic=0.05)
    for step in range(30):
        trainer.step(step, rng(step))
    model = trainer.model.eval()
    for part in (model.critic_head, model.critic_classes):
        assert torch.linalg.matrix_norm(part.weight.detach(), 2).item() == pytest.approx(1.0, abs=0.15)


def test_digits_are_never_mirrored(monkeypatch):
    def mirrored(*_):
        raise AssertionError("a mirrored digit is another digit")

    monkeypatch.setattr("workbench.priors.conditional_gan.flip", mirrored)
    trainer_of("conditional-gan", setting_of(flips=False)).step(0, rng())
    with pytest.raises(AssertionError, match="another digit"):
        trainer_of("conditional-gan").step(0, rng())


def test_the_pseudo_labelled_images_are_the_targets_choice():
    trainer = trainer_of("conditional-gan", per_class=5)
    shares = trainer.target(trainer.public).softmax(1)
    for c, index in enumerate(trainer.chosen):
        rest = torch.ones(len(shares), dtype=torch.bool)
        rest[index] = False
        assert len(index) == 5 and shares[index, c].min() >= shares[rest, c].max()


# Saved, resumed, refused


@each_tuned
def test_a_prior_belongs_to_the_target_it_was_tuned_to(key, models):
    setting = setting_of()
    steps = list(train(key, trainer_of(key, setting), setting, source="quadrants", target="cnn"))
    assert steps[-1].samples.shape == (16, *SHAPE)
    assert sorted(p.name for p in (models / "faces").iterdir()) == [
        f"prior-{key}-for-cnn.json",
        f"prior-{key}-for-cnn.safetensors",
    ]
    card, prior = prior_card("faces", key, "cnn"), load_prior("faces", key, target="cnn")
    assert (card["target"], card["defense"], card["steps"], card["finished"]) == ("cnn", "none", 6, True)
    assert "plain GAN" in card["paper"] and card["recipe"]["batch"] == 8
    assert prior.num_classes == CLASSES and prior.random_images(3, rng()).shape == (3, *SHAPE)
    assert prior.plane.project(prior.sample(2, rng())).shape == (2, 3)
    assert prior.discriminate(public(2), torch.tensor([0, 1])).shape == (2,)
    assert prior_problem("faces", key, "cnn") is None and lender_of("faces", key) is None
    with pytest.raises(DataMissing, match=rf"no trained '{key}' prior for faces against resnet.*--target resnet"):
        load_prior("faces", key)


@each_tuned
def test_a_resumed_training_ends_as_an_uninterrupted_one(key, models, monkeypatch):
    monkeypatch.setattr(training, "SAVE_EVERY", 4)
    setting, checkpoint, name = setting_of(), models / "state", f"faces/prior-{key}-for-resnet"
    list(train(key, trainer_of(key, setting), setting, source="quadrants", target="resnet"))
    whole, _ = load_weights(name)
    first = train(key, trainer_of(key, setting), setting, source="quadrants", target="resnet", checkpoint=checkpoint)
    assert next(p.step for p in first if p.samples is not None) == 4
    first.close()
    list(train(key, trainer_of(key, setting), setting, source="quadrants", target="resnet", checkpoint=checkpoint))
    resumed, card = load_weights(name)
    assert card["finished"] and card["steps"] == 6
    assert resumed.keys() == whole.keys() and all(torch.equal(resumed[k], whole[k]) for k in whole)


@each_tuned
def test_a_diverged_training_says_so_and_saves_nothing(key, models):
    setting = setting_of(public=torch.full((40, *SHAPE), torch.nan))
    with pytest.raises(NotFinite, match=rf"'{key}' prior diverged"):
        list(train(key, trainer_of(key, setting), setting, source="nothing", target="resnet"))
    assert not list(models.rglob("*.safetensors"))


@each_tuned
@pytest.mark.parametrize("base", [None, "borrowed"])
def test_without_a_plain_gan_of_its_own_there_is_nothing_to_start_from(key, base):
    held = Luminance(base_gan((3, *SHAPE[1:]))) if base else None
    with pytest.raises(DataMissing, match=r"starts from a plain GAN of faces's own.*--prior gan"):
        trainer_of(key, setting_of(base=held))


def test_too_few_public_images_are_counted():
    with pytest.raises(DataMissing, match=r"cannot choose 30 public images for each class from 3"):
        trainer_of("conditional-gan", setting_of(public=public(3))).step(0, rng())


@each_tuned
def test_a_recipe_reaches_the_card_and_the_size(key):
    how = trainer_of(key, setting_of(quality="full")).recipe
    assert how["critic_steps"] == 5 and how["steps"] == QUICK["steps"]


# In a run


@pytest.fixture
def for_two_targets(key, models) -> str:
    """A prior tuned to each of two targets; the second is a step further, so that they can be told apart."""
    for target, steps in (("resnet", 1), ("cnn", 2)):
        setting = setting_of()
        list(train(key, trainer_of(key, setting, steps=steps), setting, source="quadrants", target=target))
    return key


@each_tuned
def test_the_lab_hands_out_the_prior_of_the_runs_own_target(key, for_two_targets):
    cache = ModelCache("cpu")
    first, other = cache.prior("faces", key, "resnet"), cache.prior("faces", key, "cnn")
    assert cache.prior("faces", key, "resnet") is first and other is not first
    z, labels = first.sample(2, rng()), torch.tensor([0, 1])
    assert not torch.allclose(first.decode(z, labels), other.decode(z, labels), atol=1e-5)
    loaded = load_prior("faces", key, target="cnn").to(memory_format=torch.channels_last)
    assert torch.allclose(other.decode(z, labels), loaded.decode(z, labels), atol=1e-6)


@each_tuned
def test_an_attack_on_a_target_without_its_prior_is_refused_in_words(key, models):
    said = attack_problem("faces", "mlp", "random", key)
    assert f"no trained '{key}' prior for faces against mlp" in said
    assert f"train prior --scenario faces --prior {key} --target mlp --data" in said


@each_tuned
def test_a_fork_does_not_take_latents_of_another_targets_prior(key, for_two_targets, tmp_path):
    config = RunConfig(scenario="faces", attack="random", target="resnet", prior=key, classes=(0, 1))
    folder = RunFolder.fresh(tmp_path / "runs" / "a", config, SHAPE)
    write_atomically(folder.path / "frames" / "000000.safetensors", save({"latents": torch.randn(2, 6)}))
    cache, runs = ModelCache("cpu"), tmp_path / "runs"
    assert start_of(config, Fork("a", 0), cache, runs).shape == (2, 6)
    with pytest.raises(Incompatible, match="did not search"):
        start_of(replace(config, target="cnn"), Fork("a", 0), cache, runs)
    images = start_of(replace(config, attack="mi-face", prior=None), Fork("a", 0), cache, runs)
    latents = folder.tensors(0)["latents"]
    assert torch.equal(images, cache.prior("faces", key, "resnet").decode(latents, torch.tensor([0, 1])))


def test_random_samples_of_a_conditional_prior_are_of_the_classes_asked_for():
    prior, context = trainer_of("conditional-gan").prior(), make_context("random")
    with torch.no_grad():
        prior.start_norm.class_shift += torch.arange(CLASSES)[:, None]  # classes far apart
    *_, last = frames_of("random", replace(context, prior=prior))
    assert torch.equal(last.payload.images, prior.decode(last.payload.latents, context.classes))


@each_tuned
def test_a_prior_is_trained_by_its_name_from_what_is_shipped(key, models, monkeypatch):
    """The real sizes of a small scenario, a few steps long."""
    monkeypatch.setattr(Prior, "shown", 100)
    (models / "digits").mkdir()
    for name in ("target-resnet", "prior-gan"):
        for ending in ("json", "safetensors"):
            shutil.copy(ROOT / "models" / "digits" / f"{name}.{ending}", models / "digits")
    noise = torch.rand(40, 1, 32, 32, generator=rng())
    recipe = {"steps": "2", "batch": "4"}
    steps = list(train_prior("digits", key, public=noise, source="noise", recipe=recipe))
    card = prior_card("digits", key)
    assert steps[-1].total == 2 and card["target"] == "resnet" and card["bytes"] < 6 * 2**20
    assert load_prior("digits", key).num_classes == 5
    with pytest.raises(DataMissing, match="no trained cnn for digits"):
        next(train_prior("digits", key, public=noise, target="cnn", recipe=recipe))
