"""Parts of the white-box attacks against their formulas, and what is said before a run that cannot work."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from conftest import CLASSES, FEW, SHAPE, LinearPrior, QuadrantVictim, WalkingPrior, frames_of, make_context
from torch import nn

from workbench.attacks import ATTACKS
from workbench.attacks.diffusion import Walk, noise_of
from workbench.attacks.ked_mi import around
from workbench.attacks.needs import NEEDS, layer_problem, unmet
from workbench.attacks.parts import surrogates as distilling
from workbench.attacks.parts.candidate_rng import Streams
from workbench.attacks.parts.identity import Identity
from workbench.attacks.parts.losses import CHOICES, IDENTITY, cross_entropy, max_margin, negative_logit, poincare
from workbench.attacks.parts.p_space import PSpace
from workbench.attacks.parts.public_images import PublicImages
from workbench.attacks.parts.robust import by_confidence, by_logit, judged, most_robust, shaking
from workbench.attacks.parts.schedules import ramp
from workbench.attacks.parts.selection import initial
from workbench.attacks.parts.surrogates import surrogates
from workbench.attacks.parts.views import View, views
from workbench.attacks.pixel import Statistics
from workbench.attacks.vmi import Gaussians, Whitened
from workbench.core.errors import Incompatible
from workbench.engine.compatibility import problems
from workbench.engine.presets import default_config
from workbench.priors import PRIORS
from workbench.priors.style import Style
from workbench.targets.architectures import Classifier

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0]])
LABELS = torch.tensor([2, 1])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))


# Identity losses


def test_max_margin_and_logit_are_their_formulas():
    assert max_margin(LOGITS, LABELS).tolist() == [1.5, -2.0]
    assert negative_logit(LOGITS, LABELS).tolist() == [-0.5, -3.0]


def test_poincare_is_the_papers_distance():
    for logits, label, found in zip(LOGITS, LABELS.tolist(), poincare(LOGITS, LABELS).tolist(), strict=True):
        u = [v / sum(abs(x) for x in logits.tolist()) for v in logits.tolist()]
        v = [1 - 1e-4 if k == label else 0.0 for k in range(3)]
        gap = sum((a - b) ** 2 for a, b in zip(u, v, strict=True))
        room = (1 - sum(a * a for a in u)) * (1 - sum(b * b for b in v))
        assert found == pytest.approx(math.acosh(1 + 2 * gap / room), rel=1e-3)


def test_every_choice_is_a_loss_whose_descent_helps_the_class():
    assert set(CHOICES) == set(IDENTITY)
    for loss in IDENTITY.values():
        logits = LOGITS.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(logits, LABELS).sum(), logits)
        assert loss(LOGITS - 1e-3 * gradient, LABELS).sum() < loss(LOGITS, LABELS).sum()
        assert gradient[0, 2] < 0 and gradient[1, 1] < 0


def test_cross_entropy_fades_where_margin_and_poincare_do_not():
    logits, label = torch.tensor([[20.0, 0.0, 0.0, 1.0]], requires_grad=True), torch.tensor([0])

    def slope(loss) -> float:
        return torch.autograd.grad(loss(logits, label).sum(), logits)[0].norm().item()

    assert slope(cross_entropy) < 1e-6 and slope(max_margin) > 1 and slope(poincare) > 1e-3


@pytest.mark.parametrize("key", [e.key for e in ATTACKS if "identity_loss" in e.item.__dataclass_fields__])
@pytest.mark.parametrize("loss", CHOICES)
def test_an_attack_takes_every_identity_loss_it_offers(key, loss):
    knob = ATTACKS[key].__dataclass_fields__["identity_loss"].metadata["knob"]
    if loss not in knob["choices"]:
        pytest.skip("not offered")
    first, *_, last = frames_of(key, make_context(key), identity_loss=loss)
    before, after = (
        QuadrantVictim()(f.payload.images).gather(1, torch.arange(4)[:, None]).mean() for f in (first, last)
    )
    assert after > before


@pytest.mark.parametrize("key", [e.key for e in ATTACKS if "identity_loss" in e.item.__dataclass_fields__])
def test_the_gradient_norm_is_among_the_curves(key):
    assert any("gradient norm" in frame.losses for frame in frames_of(key, make_context(key)))


# LOMMA's options


def test_the_logit_loss_pulls_features_to_their_mean():
    context, centre = make_context("gmi"), torch.tensor([0.2, 0.4, 0.6, 0.8])
    images, labels = torch.rand(4, *SHAPE, generator=seeded()), torch.arange(4)
    found, logits = Identity(context, "logit", [], centre, 3.0)(images, labels)
    features = QuadrantVictim().features(images)
    assert torch.allclose(logits, QuadrantVictim()(images))
    assert torch.allclose(found, negative_logit(logits, labels) + 3 * (features - centre).pow(2).mean(1))
    assert context.target.queries == 4


def test_surrogates_are_averaged_with_the_target():
    images, labels = torch.rand(4, *SHAPE, generator=seeded()), torch.arange(4)
    other = QuadrantVictim(2.0)
    found, logits = Identity(make_context("gmi"), "cross-entropy", [other], None, 1.0)(images, labels)
    wanted = (cross_entropy(QuadrantVictim()(images), labels) + cross_entropy(other(images), labels)) / 2
    assert torch.allclose(found, wanted) and torch.allclose(logits, QuadrantVictim()(images))


def outcome(work):
    """Return what a generator returns at its end, and the list of what it yielded."""
    said = []
    while True:
        try:
            said.append(next(work))
        except StopIteration as end:
            return end.value, said


class Wide(nn.Module):
    """A victim of 32-pixel images, for surrogates that need room to halve: its quadrants' means."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 4, bias=False)
        nn.init.eye_(self.head.weight).data.mul_(20.0)

    def features(self, images):
        return nn.functional.adaptive_avg_pool2d(images, 2).flatten(1)

    def forward(self, images):
        return self.head(self.features(images))


class WidePrior(LinearPrior):
    def decode(self, latents, labels=None):
        return nn.functional.interpolate(super().decode(latents), size=32)


def wide_context():
    context = make_context("gmi")
    small = torch.rand(320, 1, 2, 2, generator=seeded())
    view = type(context.target)(Wide(), context.target.access, num_classes=CLASSES, input_shape=(1, 32, 32))
    return replace(
        context,
        target=view,
        prior=WidePrior(),
        public=PublicImages.at_hand(nn.functional.interpolate(small, size=32), "asks about samples"),
    ), view


def test_a_surrogate_learns_what_the_target_says_and_is_kept(monkeypatch):
    monkeypatch.setattr(distilling, "STEPS", 30)
    monkeypatch.setattr(distilling, "LEAST", 0.0)
    monkeypatch.setattr(distilling, "TESTED", 100)
    context, view = wide_context()
    found, words = outcome(surrogates(context, 1))
    (model,) = found.models
    asked = 2 * 320 + distilling.TESTED
    assert view.queries == asked and words[1].startswith("distilling surrogate 1 of 1, 0 %; asks about samples")
    assert len(words) == distilling.steps_of(1)
    assert not model.training and not any(p.requires_grad for p in model.parameters())
    images = context.public.take(200)
    agree = (model(images).argmax(1) == Wide()(images).argmax(1)).float().mean()
    assert agree > 0.6, "chance is a quarter"
    again, other_view = wide_context()
    found, words = outcome(surrogates(again, 1))
    (kept,) = found.models
    assert len(words) == 1 and other_view.queries == asked, "asked again, but not trained again"
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), kept.state_dict().values(), strict=True))


def test_a_surrogate_that_answers_otherwise_has_no_say(monkeypatch):
    monkeypatch.setattr(distilling, "STEPS", 1)
    monkeypatch.setattr(distilling, "TESTED", 100)
    context, _ = wide_context()
    found, _ = outcome(surrogates(context, 2))
    assert found.models == [] and len(found.agreement) == 2 and max(found.agreement) < distilling.LEAST
    assert str(found).endswith("of fresh samples; 2 below 0.85 left out")
    monkeypatch.setattr(distilling, "LEAST", 0.0)
    found, _ = outcome(surrogates(wide_context()[0], 2))
    assert len(found.models) == 2 and "left out" not in str(found)


def test_agreement_is_the_share_of_equal_first_classes():
    images, logits = torch.rand(6, *SHAPE, generator=seeded()), torch.randn(6, 4, generator=seeded(1))
    said = QuadrantVictim()(images).argmax(1)
    logits[:4].scatter_(1, said[:4, None], 9.0)
    logits[4:].scatter_(1, (said[4:, None] + 1) % 4, 9.0)
    assert distilling.agreement_of(QuadrantVictim(), images, logits) == pytest.approx(4 / 6)


def test_without_public_images_there_is_nothing_to_distil_on():
    with pytest.raises(Incompatible, match="Set augment=0"):
        outcome(surrogates(replace(make_context("gmi"), public=None), 1))


# Views


def test_a_view_that_changes_nothing_is_the_image():
    images = torch.rand(3, 2, 8, 8, generator=seeded())
    assert torch.allclose(View().of(images, torch.rand(3, 8, generator=seeded())), images, atol=1e-5)
    assert torch.allclose(View(mirror=1.0).of(images, torch.rand(3, 8, generator=seeded())), images.flip(3), atol=1e-5)


def test_a_crop_is_a_part_of_the_image_brought_to_full_size():
    images = torch.linspace(0, 1, 16).expand(1, 1, 16, 16)
    draws = torch.tensor([[0.0, 0.0, 0.0, 0.5, 0.5, 0.5, 0.5, 0.5]])  # the smallest crop, at the left border
    found = View(scale=(0.25, 1.0)).of(images, draws)[0, 0, 8]
    assert found[0] < 0.05 and found[-1] == pytest.approx(0.5, abs=0.05)


def test_views_are_in_range_differentiable_and_each_candidates_own():
    context = make_context("ppa")
    view = View((0.5, 0.9), (0.8, 1.2), 0.5, 10.0, 0.3, 0.3)
    images = torch.rand(4, *SHAPE, generator=seeded()).requires_grad_()
    seen = views(view, images, Streams(context))
    assert seen.shape == images.shape and seen.min() >= 0 and seen.max() <= 1
    (gradient,) = torch.autograd.grad(seen.sum(), images)
    assert (gradient.flatten(1).abs().sum(1) > 0).all()
    alone = replace(make_context("ppa"), classes=torch.tensor([2]))
    assert torch.equal(views(view, images[2:3], Streams(alone)), seen[2:3])


# Selection


def test_the_start_is_the_targets_favourite_sample_of_each_class():
    context = make_context("ppa")
    found, words = outcome(initial(context, 500, 3, mirrored=False))
    assert found.shape == (12, 6) and context.target.queries == 500 and words[-1].endswith("50 %")
    drawn = torch.cat([LinearPrior().sample(250, rng) for rng in [seeded(0)] for _ in range(2)])
    sure = QuadrantVictim()(LinearPrior().decode(drawn)).softmax(1)
    assert torch.equal(found[::3], drawn[sure.argmax(0)]) and torch.equal(found[3:6], drawn[sure[:, 1].topk(3).indices])


@pytest.mark.parametrize(("worth", "of"), [(by_confidence, lambda s: s.softmax(1)), (by_logit, lambda s: s)])
def test_the_most_robust_of_several_is_kept(worth, of):
    context = make_context("ppa")
    latents = LinearPrior().sample(12, seeded(3))
    labels = context.classes.repeat_interleave(3)
    rows = most_robust(context, LinearPrior().decode(latents), labels, 3, 2, View(), worth)
    expected = of(QuadrantVictim()(LinearPrior().decode(latents))).gather(1, labels[:, None]).view(4, 3)
    assert torch.equal(rows, expected.argmax(1) + 3 * torch.arange(4)) and context.target.queries == 24


def test_what_falls_apart_when_it_is_moved_is_not_kept():
    """Both tries are a full confidence as they stand; one of them only where it stands."""
    context = make_context("ppa", classes=(0,), victim=Corner())
    frail, sound = torch.zeros(1, *SHAPE), torch.ones(1, *SHAPE)
    frail[..., 0, 0] = 1.2
    images, labels = torch.cat([frail, sound]), torch.zeros(2, dtype=torch.int64)
    assert most_robust(context, images, labels, 2, 0).tolist() == [0], "without views the frail one is the surest"
    assert most_robust(context, images, labels, 2, 16).tolist() == [1]
    assert most_robust(context, images[:1], labels[:1], 1, 16).tolist() == [0] and context.target.queries == 2 + 32


def test_the_restarts_of_a_class_share_its_tries_where_told_to():
    context = make_context("ppa", classes=(1, 1, 2))
    latents = LinearPrior().sample(9, seeded(3))
    labels = context.classes.repeat_interleave(3)
    rows = most_robust(context, LinearPrior().decode(latents), labels, 3, 0, shared=True)
    logits = QuadrantVictim()(LinearPrior().decode(latents))
    assert rows[:2].tolist() == logits[:6, 1].topk(2).indices.tolist()
    assert rows[2].item() == 6 + logits[6:, 2].argmax().item()


def test_a_search_sees_a_view_of_every_try():
    context, images = make_context("gmi"), torch.rand(8, *SHAPE, generator=seeded())
    labels, view = context.classes.repeat_interleave(2), shaking(0.1, flips=True)
    identity = Identity(context, "cross-entropy", [], None, 1.0)
    loss, logits = judged(identity, images, labels, view, Streams(make_context("gmi")))
    seen = QuadrantVictim()(views(view, images, Streams(make_context("gmi")), 2))
    assert torch.allclose(logits, seen) and torch.allclose(loss, cross_entropy(seen, labels))
    assert not torch.allclose(seen, QuadrantVictim()(images), atol=1e-3)
    still, _ = judged(identity, images, labels, shaking(0.0, flips=True), Streams(make_context("gmi")))
    assert torch.allclose(still, cross_entropy(QuadrantVictim()(images), labels))


def test_a_shaken_image_moves_by_no_more_than_its_share():
    """A white square in the middle: every view holds all of it, moved by a tenth of the side at most, and scaled as much."""
    images = torch.zeros(200, 1, 40, 40)
    images[..., 16:24, 16:24] = 1.0
    seen = shaking(0.1, flips=False).of(images, torch.rand(200, 8, generator=seeded()))[:, 0]
    mass = seen.sum((1, 2))
    along = (seen.sum(1) * torch.arange(40.0)).sum(1) / mass - 19.5
    down = (seen.sum(2) * torch.arange(40.0)).sum(1) / mass - 19.5
    for moved in (along, down):
        assert 3.0 < moved.abs().max() <= 4 / 0.9 + 0.1
    assert 64 * 0.81 - 2 < mass.min() < 60 and 70 < mass.max() < 64 / 0.81 + 2
    assert shaking(0.0, flips=True) is None and shaking(0.1, flips=True).mirror == 0.5


ROBUST = [e.key for e in ATTACKS if {"tries", "looks", "shake"} <= set(e.item.__dataclass_fields__)]


def test_every_search_over_latents_with_gradients_is_robust():
    assert set(ROBUST) >= {"gmi", "ked-mi", "plg-mi", "ppa", "mirror", "vmi"}


@pytest.mark.parametrize("key", ROBUST)
def test_more_tries_ask_more_and_end_at_least_as_sure(key):
    few, many = (make_context(key, every=10**9) for _ in range(2))
    ends = [[*frames_of(key, context, tries=t, looks=4)][-1] for context, t in ((few, 1), (many, 3))]
    assert many.target.queries - few.target.queries > 2 * len(few.classes) * FEW["steps"] - 1
    assert (ends[1].payload.confidence > 0.9).all() and ends[1].note


@pytest.mark.parametrize("key", ROBUST)
def test_the_views_of_a_search_decide_where_it_ends(key):
    still, shaken = ([*frames_of(key, make_context(key, every=10**9), shake=s)][-1] for s in (0.0, 0.2))
    assert not torch.equal(still.payload.images, shaken.payload.images)


class Corner(nn.Module):
    """The logit of class 0 is ten times the first pixel."""

    head = None

    def forward(self, images):
        first = 10 * images[:, 0, 0, 0]
        return torch.stack([first, *[torch.zeros_like(first)] * 3], 1)


# Spaces and distributions


def style() -> Style:
    torch.manual_seed(0)
    model = Style((1, 32, 32), 16, 8, [8, 8, 8, 8], [8, 8, 8]).eval()
    with torch.no_grad():
        w = model.sample(4000, seeded(9))
        model.mean_w.copy_(w.mean(0))
        model.std_w.copy_(w.std(0))
    return model


def test_p_space_undoes_the_last_activation_and_clips_there():
    with torch.random.fork_rng(devices=[]):
        prior = style()
    space = PSpace.of(prior, seeded(), 1.0)
    noise = torch.randn(5, 16, generator=seeded(2))
    with torch.no_grad():
        w = prior.to_w(noise)
        p = prior.mapping[:-1](noise * noise.pow(2).mean(1, keepdim=True).add(1e-8).rsqrt())
    assert torch.allclose(space.to_p(w), p, atol=1e-5) and torch.allclose(space.to_w(p), w, atol=1e-5)
    clipped = space.clip(4 * w)
    assert torch.allclose(space.clip(clipped), clipped, atol=1e-5)
    inside = space.to_p(clipped)
    assert (inside >= space.low - 1e-4).all() and (inside <= space.high + 1e-4).all()
    assert torch.allclose((space.high - space.low) / 2, space.to_p(prior.sample(20000, seeded(5))).std(0), rtol=0.1)


def test_the_ramp_rises_stays_and_falls():
    values = [ramp(step, 100) for step in range(1, 101)]
    assert values[0] == pytest.approx(0.2) and values[4] == values[74] == 1.0 and values[-1] == pytest.approx(0.0)
    assert all(a >= b for a, b in pairwise(values[74:]))


def test_whitened_latents_are_standard_normal_and_go_both_ways():
    with torch.random.fork_rng(devices=[]):
        prior = style()
    space = Whitened.of(prior, seeded())
    w = prior.sample(4000, seeded(1))
    u = space.units(w)
    assert torch.allclose(space.latents(u), w, atol=1e-3)
    assert u.mean(0).abs().max() < 0.1 and torch.allclose(u.T.cov(), torch.eye(8), atol=0.15)


@pytest.mark.parametrize("full", [False, True])
def test_the_divergence_is_that_of_the_gaussians(full):
    """Against torch.distributions, for parameters that are not the start's."""
    family = Gaussians(full)
    mean = torch.randn(3, 5, generator=seeded())
    value = family.start(mean, 0.3)
    start = family.factor(value)
    diagonal = start.diagonal(dim1=1, dim2=2) if full else start
    assert torch.allclose(diagonal, torch.full((3, 5), 0.3), atol=1e-5)
    value = value + 0.3 * torch.randn(value.shape, generator=seeded(1))
    factor = family.factor(value)
    factor = factor if full else torch.diag_embed(factor)
    own = torch.distributions.MultivariateNormal(value[:, :, 0], scale_tril=factor)
    unit = torch.distributions.MultivariateNormal(torch.zeros(5), torch.eye(5))
    assert torch.allclose(family.divergence(value), torch.distributions.kl_divergence(own, unit), atol=1e-4)
    drawn = family.sample(value, torch.randn(3, 40000, 5, generator=seeded(2)))
    assert torch.allclose(drawn.mean(1), value[:, :, 0], atol=0.05)
    assert torch.allclose(torch.stack([d.T.cov() for d in drawn]), factor @ factor.mT, atol=0.1)


def test_ked_mis_cloud_is_drawn_from_its_gaussians():
    value = torch.stack([torch.zeros(3, 4), torch.full((3, 4), 2 * math.log(0.5))], 1)
    value[1, 0] = 7.0
    found = around(value)
    assert found.owners.tolist() == [0] * 12 + [1] * 12 + [2] * 12
    groups = found.points.view(3, 12, 4)
    assert torch.allclose(groups[1] - 7, groups[0], atol=1e-5) and torch.equal(groups[0], groups[2])
    noise = torch.randn(12, 4, generator=seeded())
    assert torch.allclose(groups[0], 0.5 * noise, atol=1e-5)


# Diffusion


def test_a_walk_without_a_push_is_the_priors_own():
    prior, x = WalkingPrior(), torch.randn(3, 6, generator=seeded())
    wanted = x.clone()
    for t, after in prior.walk(10):
        wanted = prior.noised(*prior.predict(wanted, t), after)
    walk = Walk(prior, x.clone(), prior.walk(10))
    for _ in range(10):
        walk.promised(walk.x)
        walk.step(torch.ones_like(x), 0.0)
    assert torch.allclose(walk.x, wanted, atol=1e-5)


def test_a_push_is_a_share_of_the_noise_down_the_gradient():
    prior, x = WalkingPrior(), torch.randn(3, 6, generator=seeded())
    slope = torch.zeros(3, 6)
    slope[:, 2] = 1e-8
    walks = [Walk(prior, x.clone(), [(500, 400)]) for _ in range(2)]
    for walk, strength in zip(walks, (0.0, 0.5), strict=True):
        walk.promised(walk.x)
        walk.step(slope, strength)
    moved = walks[1].x - walks[0].x
    a, b = prior.alpha(500), prior.alpha(400)
    length = 0.5 * a**0.5 * prior.predict(x, 500)[1].norm(dim=1)  # shrinks with the signal
    expected = length * ((1 - b) ** 0.5 - (b * (1 - a) / a) ** 0.5)
    assert torch.allclose(moved[:, 2], expected, atol=1e-5) and (moved[:, 2] < 0).all()
    assert torch.equal(moved[:, :2], torch.zeros(3, 2))


def test_the_noise_of_an_image_leads_back_to_it():
    prior, image = WalkingPrior(), torch.randn(3, 6, generator=seeded())
    x = prior.canvas(noise_of(prior, image, 200))
    for t, after in prior.walk(200):
        x = prior.noised(*prior.predict(x, t), after)
    assert torch.allclose(x, image, rtol=0.1, atol=0.05)


def test_refining_the_noise_shows_an_image_of_the_prior():
    context = make_context("diffusion")
    *_, last = frames_of("diffusion", context, refine=15)
    assert torch.allclose(last.payload.images, WalkingPrior().decode(last.payload.latents), atol=1e-6)
    assert (last.payload.confidence > 0.9).all()


# Feature statistics


def batch_norm_victim() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(108, CLASSES))
    layers[1].running_mean.copy_(torch.tensor([0.1, -0.2, 0.3]))
    layers[1].running_var.copy_(torch.tensor([0.5, 1.0, 2.0]))
    return layers.eval()


def test_statistics_are_the_squared_distance_from_the_layers_memory():
    victim, images = batch_norm_victim(), torch.rand(2, *SHAPE, generator=seeded())
    memory = Statistics()
    with memory.watching(victim):
        victim(images)
    seen = victim[0](images)
    mean, variance = seen.mean((2, 3)), seen.var((2, 3), correction=0)
    wanted = (mean - victim[1].running_mean).pow(2).mean(1) + (variance - victim[1].running_var).pow(2).mean(1)
    assert torch.allclose(memory.apart(images), wanted, atol=1e-6)


def test_statistics_leave_no_hook_behind_an_exception():
    victim = batch_norm_victim()
    with pytest.raises(RuntimeError), Statistics().watching(victim):
        victim(torch.rand(1, 7, 8, 8))
    assert not any(m._forward_pre_hooks or m._forward_hooks for m in victim.modules())


def test_the_weight_of_the_statistics_brings_them_closer():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        victim = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, CLASSES))
    with torch.no_grad():  # a memory of pale images; the class draws stark ones
        seen = victim.eval()[0](0.45 + 0.1 * torch.rand(64, *SHAPE, generator=seeded()))
        victim[1].running_mean.copy_(seen.mean((0, 2, 3)))
        victim[1].running_var.copy_(seen.var((0, 2, 3)))
    ends = []
    for weight in (0.0, 50.0):
        *_, last = frames_of("pixel", make_context("pixel", victim=victim), statistics=weight, smoothness=0.0)
        memory = Statistics()
        with memory.watching(victim), torch.no_grad():
            victim(last.payload.images)
        ends.append(memory.apart(last.payload.images).mean().item())
    assert ends[1] < 0.7 * ends[0]


# What is said before a run


def test_needs_are_those_known_and_the_published_prior_meets_them():
    for entry in ATTACKS:
        info = entry.info
        assert set(info.needs) <= set(NEEDS)
        if info.prior is not None:
            assert unmet(info, info.prior) is None


@pytest.mark.parametrize(
    ("attack", "prior", "why"),
    [
        ("gmi", "diffusion", "asks the prior's critic how real an image looks, and the Diffusion prior has none"),
        (
            "ppa",
            "conditional-gan",
            "shows every class the same samples, and the Conditional GAN prior draws each class",
        ),
        ("diffusion", "gan", "guides a diffusion step by step, and the GAN prior is none"),
    ],
)
def test_a_prior_that_does_not_fit_is_named_before_the_run(attack, prior, why):
    (said,) = [p for p in problems(default_config("digits", attack, prior=prior)) if "another prior" in p]
    assert why in said and said.startswith(ATTACKS.entry(attack).info.title)


def test_every_prior_meets_what_the_methods_call():
    """The flags say what the classes have."""
    for entry in PRIORS:
        assert NEEDS["walk"].has(entry.item) == (entry.key == "diffusion")


@pytest.mark.parametrize("arch", ["softmax", "mlp"])
def test_statistics_of_a_target_without_batch_norm_are_refused(arch):
    config = default_config("faces", "pixel", target=arch)
    assert any("batch-norm layers, and" in p and "statistics=0" in p for p in problems(config))
    silent = default_config("faces", "pixel", target=arch, knobs={"statistics": 0})
    assert not any("batch-norm" in p for p in problems(silent))
    assert layer_problem((1, 64, 64), "resnet", {"statistics": 1.0}) is None
    assert any(isinstance(m, nn.BatchNorm2d) for m in Classifier("resnet", (1, 64, 64), 2).modules())
