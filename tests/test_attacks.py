"""Every attack keeps its contract and inverts a victim whose answer is known."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from conftest import (
    CLASSES,
    SHAPE,
    LinearPrior,
    QuadrantVictim,
    class_attacks,
    frames_of,
    make_context,
    quadrants,
    quick,
)

from workbench.attacks import ATTACKS, AttackContext
from workbench.attacks.base import attack, ensure_finite
from workbench.attacks.mi_face import median3, sharpen
from workbench.attacks.parts.losses import confidence, cross_entropy, one_minus_confidence, total_variation
from workbench.core.errors import AccessDenied, BudgetSpent, NotFinite
from workbench.core.knobs import configure, knobs_of, values_of
from workbench.core.records import Access, Frame
from workbench.defenses.store import load_classifier
from workbench.metrics import EvalContext
from workbench.metrics.base import METRICS, Judged
from workbench.priors import PRIORS, load_prior
from workbench.recognisers import Panel
from workbench.scenarios import SCENARIOS, Scenario
from workbench.targets import TargetView
from workbench.targets.view import GRANTS

BASELINE = "random"
KEYS = class_attacks()
SEARCHING = [k for k in KEYS if k != BASELINE]
every_attack = pytest.mark.parametrize("key", KEYS)
every_searching_attack = pytest.mark.parametrize("key", SEARCHING)


def certainty(images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return confidence(QuadrantVictim()(images), classes)


# What attacks declare


@every_attack
def test_an_attack_says_what_it_is_and_needs(key):
    info = ATTACKS.entry(key).info
    assert info.access in Access and (info.prior is None or info.prior in PRIORS)
    assert info.summary.endswith(".") and info.paper and "demo" in info.presets
    assert key == BASELINE or info.survey_ref or "20" in info.paper


@every_attack
def test_the_module_is_a_card_of_the_method(key):
    text = __import__(ATTACKS[key].__module__, fromlist=["x"]).__doc__
    assert "\n\n" in text.strip()
    assert key == BASELINE or "http" in text, "name the paper with its address"


@every_attack
def test_presets_and_defaults_can_be_configured(key):
    cls = ATTACKS[key]
    for values in ({}, *ATTACKS.entry(key).info.presets.values()):
        built = configure(cls, values)
        assert configure(cls, values_of(built)) == built
    assert len(knobs_of(cls)) > 0 and cls.__dataclass_params__.frozen


def test_a_preset_of_a_knob_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"preset 'demo' of attack 'x' sets unknown knobs \{'stps'\}"):
        attack("x", title="X", access=Access.LABEL, prior=None, paper="", summary="", presets={"demo": {"stps": 1}})(
            ATTACKS["gmi"]
        )


def fingerprint(module: torch.nn.Module) -> tuple:
    hooks = [
        len(getattr(m, name))
        for m in module.modules()
        for name in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    ]
    return (
        {k: v.clone() for k, v in module.state_dict().items()},
        hooks,
        [m.training for m in module.modules()],
        [p.requires_grad for p in module.parameters()],
        [p.grad is None for p in module.parameters()],
    )


def assert_same(before: tuple, after: tuple) -> None:
    assert before[1:] == after[1:]
    assert all(torch.equal(before[0][k], v) for k, v in after[0].items())


@dataclass(frozen=True)
class WholeRun:
    """One attack on the known-answer victim to its end: every frame, and what else might have changed meanwhile."""

    context: AttackContext
    frames: list[Frame]
    randomness: tuple[Any, Any]
    victim: tuple[tuple, tuple]
    inside: tuple[tuple, tuple]
    prior: tuple[tuple, tuple]


def global_randomness() -> tuple[list, list, tuple]:
    return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()


@cache
def whole_run(key: str) -> WholeRun:
    """Run an attack with every frame asked for; what several tests look at is computed once."""
    victim = QuadrantVictim().train()
    context = make_context(key, victim=victim)
    seen = [victim, context.target._TargetView__model, context.prior or torch.nn.Identity()]
    before = global_randomness(), *map(fingerprint, seen)
    frames = list(frames_of(key, context))
    after = global_randomness(), *map(fingerprint, seen)
    return WholeRun(context, frames, *zip(before, after, strict=True))


# The protocol of run


@every_attack
def test_the_first_frame_is_the_start_and_costs_nothing(key):
    context = make_context(key)
    first = next(frames_of(key, context))
    assert first.step == 0 and first.queries == 0 and context.target.queries == 0


@every_attack
def test_frames_are_images_in_range_detached_and_counted(key):
    context, frames = whole_run(key).context, whole_run(key).frames
    assert len(frames) > 1
    for before, frame in zip([None, *frames], frames, strict=False):
        assert frame.payload.images.shape == (4, *SHAPE) and frame.payload.images.dtype == torch.float32
        assert frame.payload.images.min() >= 0 and frame.payload.images.max() <= 1
        assert frame.payload.latents is None or frame.payload.latents.shape == (4, LinearPrior.latent_dim)
        assert all(v.shape == (4,) and torch.isfinite(v).all() and not v.requires_grad for v in frame.losses.values())
        assert frame.payload.confidence is None or (
            frame.payload.confidence.shape == (4,)
            and ((frame.payload.confidence >= 0) & (frame.payload.confidence <= 1)).all()
        )
        assert not frame.payload.images.requires_grad and 0 <= frame.step <= frame.total
        if before is not None:
            assert before.step < frame.step and before.queries <= frame.queries
            same = before.payload is frame.payload  # nothing has moved: a frozen record may be shown twice
            assert same or before.payload.images.data_ptr() != frame.payload.images.data_ptr()
    assert frames[-1].queries == context.target.queries


@every_attack
def test_the_last_step_is_shown_even_if_nobody_asked(key):
    context = make_context(key, every=10**9)
    frames = list(frames_of(key, context))
    shown_all = whole_run(key).frames
    assert frames[0].step == 0 and frames[-1].step == shown_all[-1].step > 0
    assert torch.equal(frames[-1].payload.images, shown_all[-1].payload.images), "looking on changed the outcome"


@every_attack
def test_a_seed_decides_every_frame(key):
    first, again = whole_run(key).frames, list(frames_of(key, make_context(key)))
    assert len(first) == len(again)
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a.payload.images, b.payload.images) and (
            a.payload.latents is None or torch.equal(a.payload.latents, b.payload.latents)
        )
    other = next(frames_of(key, make_context(key, seed=1)))
    assert not torch.equal(first[0].payload.images, other.payload.images)


@every_attack
def test_randomness_comes_from_the_context_alone(key):
    before, after = whole_run(key).randomness
    assert before == after


@every_attack
def test_it_goes_on_from_where_it_is_told_to(key):
    prior = ATTACKS.entry(key).info.prior
    rng = torch.Generator().manual_seed(5)
    # Small, so that a bound on the latents does not move it.
    start = 0.5 * LinearPrior().sample(4, rng).tanh() if prior else torch.rand(4, *SHAPE, generator=rng)
    first = next(frames_of(key, make_context(key, start=start)))
    assert torch.allclose(first.payload.latents if prior else first.payload.images, start)


@every_searching_attack
def test_a_candidate_does_not_depend_on_its_company(key):
    """The gradients of candidates must not be averaged: each goes its own way, alone or among others."""
    info = ATTACKS.entry(key).info
    rng = torch.Generator().manual_seed(5)
    start = LinearPrior().sample(4, rng).clamp(-1, 1) if info.prior else torch.rand(4, *SHAPE, generator=rng)
    *_, together = frames_of(key, make_context(key, start=start))
    *_, alone = frames_of(key, make_context(key, classes=(2,), start=start[2:3]))
    assert torch.allclose(together.payload.images[2:3], alone.payload.images, atol=1e-4)


# The threat model


@every_attack
@pytest.mark.parametrize("budget", [0, 3, 4, 13])
def test_the_budget_is_never_exceeded(key, budget):
    context = make_context(key, budget=budget)
    frames = frames_of(key, context)
    first = next(frames)
    assert first.payload.images.shape[0] == 4
    try:
        for _ in frames:
            pass
    except BudgetSpent:
        assert key != BASELINE
    assert context.target.queries <= budget


LESS = [
    pytest.param(key, level, id=f"{key} {level.value}")
    for key in SEARCHING
    for level in Access
    if not set(GRANTS[ATTACKS.entry(key).info.access]) <= set(GRANTS[level])
]


@pytest.mark.parametrize(("key", "level"), LESS)
def test_with_less_access_than_it_needs_it_is_refused(key, level):
    context = make_context(key, access=level)
    with pytest.raises(AccessDenied, match="asked the target for"):
        list(frames_of(key, context))
    assert context.target.queries == 0


def test_the_baseline_never_asks_the_target():
    context = make_context(BASELINE)
    assert len(list(frames_of(BASELINE, context, draws=5))) == 6
    assert context.target.queries == 0


# The victim stays as it was


@every_attack
def test_the_victim_is_left_untouched_at_the_end(key):
    run = whole_run(key)
    assert_same(*run.victim)
    assert_same(*run.inside)


@every_attack
@pytest.mark.parametrize("ending", ["closed", "budget"])
def test_the_victim_is_left_untouched(key, ending):
    victim = QuadrantVictim().train()
    context = make_context(key, victim=victim, budget=9 if ending == "budget" else None)
    inside = context.target._TargetView__model
    before = fingerprint(victim), fingerprint(inside)
    frames = frames_of(key, context)
    if ending == "closed":
        next(frames)
        next(frames)
        frames.close()
    else:
        with suppress(BudgetSpent):
            for _ in frames:
                pass
    assert_same(before[0], fingerprint(victim))
    assert_same(before[1], fingerprint(inside))


@every_attack
def test_the_prior_is_left_untouched(key):
    assert_same(*whole_run(key).prior)


# Known answers


@every_searching_attack
def test_it_inverts_a_victim_whose_answer_is_known(key):
    """Quadrant k must become the brightest for class k, and the victim sure of it."""
    context, (first, *_, last) = whole_run(key).context, whole_run(key).frames
    start, end = certainty(first.payload.images, context.classes), certainty(last.payload.images, context.classes)
    assert (end > 0.9).all() and (end > start).all()
    assert torch.equal(quadrants(last.payload.images).argmax(1), context.classes)
    if last.payload.confidence is not None:
        assert torch.allclose(last.payload.confidence, end, atol=1e-3), (
            "the confidence shown is not that of the images shown"
        )


SOFT = 4.0  # so gentle a victim that a perfect image, and with it a standstill, is within reach


def algorithm1(
    x: torch.Tensor, label: int, *, steps: int, lr: float, patience: int, stop_cost: float, smoothness: float = 0.0
) -> tuple[torch.Tensor, float, int]:
    """Fredrikson et al. 2015, Algorithm 1, word by word for one image: (best image, its cost, costs computed)."""
    victim, label = QuadrantVictim(SOFT), torch.tensor([label])
    costs, images = [], []
    for _ in range(steps + 1):  # x_0 is looked at too
        x = x.detach().requires_grad_()
        cost = (one_minus_confidence(victim(x), label) + smoothness * total_variation(x)).sum()
        costs.append(cost.item())
        images.append(x.detach())
        if len(costs) > patience and costs[-1] >= max(costs[-1 - patience : -1]):
            break
        if costs[-1] <= stop_cost:
            break
        (gradient,) = torch.autograd.grad(cost, x)
        x = (x - lr * gradient).clamp(0, 1)
    best = costs.index(min(costs))
    return images[best], costs[best], len(costs)


RULES = {
    "stops when good enough": dict(lr=1.0, patience=50, stop_cost=0.2, steps=400),
    "stops when it gets no better": dict(lr=20.0, patience=5, stop_cost=0.0, steps=400),
    "stops while it swings": dict(lr=20.0, patience=3, stop_cost=0.0, steps=400, smoothness=1000.0),
    "stops at the last step": dict(lr=0.01, patience=50, stop_cost=0.0, steps=30),
}


@pytest.mark.parametrize("rule", RULES)
def test_mi_face_is_algorithm_1(rule):
    settings = RULES[rule]
    start = torch.rand(4, *SHAPE, generator=torch.Generator().manual_seed(3))
    context = make_context("mi-face", start=start, victim=QuadrantVictim(SOFT))
    *_, last = configure(ATTACKS["mi-face"], {**settings, "cost": "confidence", "start_grey": 0.0}).run(context)
    computed = []
    for c in range(CLASSES):
        image, cost, count = algorithm1(start[c : c + 1], c, **settings)
        computed.append(count)
        assert last.losses["cost"][c].item() == pytest.approx(cost, abs=1e-5), rule
        assert torch.allclose(last.payload.images[c : c + 1], image, atol=1e-4), rule
    # The batch goes on until its last candidate stops, which is looked at every tenth step.
    assert last.step == min(settings["steps"], -10 * (-(max(computed) - 1) // 10))
    assert (last.step < settings["steps"]) == (rule != "stops at the last step")


def test_mi_face_shows_the_best_image_not_the_last():
    """With a step far too long it swings, and the cost of what it shows still never rises."""
    context = make_context("mi-face")
    costs = [f.losses["cost"] for f in frames_of("mi-face", context, lr=20.0, smoothness=1000.0) if f.losses]
    assert all((later <= earlier).all() for earlier, later in pairwise(costs))


def test_mi_face_processes_images_as_often_as_told():
    images = torch.rand(2, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    spike = torch.full((1, 1, 9, 9), 0.5)
    spike[..., 4, 4] = 1.0
    assert torch.equal(median3(spike), torch.full((1, 1, 9, 9), 0.5))
    assert torch.equal(sharpen(images, 0.0), images)
    assert torch.allclose(sharpen(torch.full((1, 1, 9, 9), 0.3), 1.0), torch.full((1, 1, 9, 9), 0.3))
    plain, processed = ([*frames_of("mi-face", make_context("mi-face"), process_every=n)][-1] for n in (0, 2))
    assert not torch.equal(plain.payload.images, processed.payload.images)


def test_gmi_takes_the_steps_of_the_papers_code():
    """v ← m·v − lr·∇L, z ← z − m·v_before + (1 + m)·v, clamped: the released code, for a batch of sixty equal losses."""
    context = make_context("gmi", classes=(1,), start=torch.zeros(1, 6))
    knobs = dict(steps=4, lr=0.6, momentum=0.9, identity=100.0, realism=1.0, bound=1.0, shake=0.0)
    frames = list(frames_of("gmi", context, identity_loss="cross-entropy", **knobs))
    z, v, prior, victim = torch.zeros(1, 6), torch.zeros(1, 6), LinearPrior(), QuadrantVictim()
    assert [f.step for f in frames] == [0, 1, 2, 3, 4] and torch.equal(frames[0].payload.latents, z)
    for frame in frames[1:]:
        z = z.requires_grad_()
        image = prior.decode(z)
        loss = (-prior.discriminate(image) + 100 * cross_entropy(victim(image), torch.tensor([1]))).sum()
        (gradient,) = torch.autograd.grad(loss, z)
        before, v = v, 0.9 * v - 0.6 / 60 * gradient
        z = (z.detach() - 0.9 * before + 1.9 * v).clamp(-1, 1)
        assert torch.allclose(frame.payload.latents, z, atol=1e-5), f"step {frame.step} shows other than its update"


def test_a_live_knob_is_read_every_step():
    context = make_context("gmi")
    context.control.values["identity"] = 0.0
    context.control.values["realism"] = 0.0
    *_, last = frames_of("gmi", context, tries=1)
    first = next(frames_of("gmi", make_context("gmi"), tries=1))
    assert torch.allclose(last.payload.latents, first.payload.latents), "without a loss nothing should move"


# Losses


def test_losses_are_their_formulas():
    logits, labels = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0, 1])
    p = (logits.exp() / logits.exp().sum(1, keepdim=True))[torch.arange(5), labels]
    assert torch.allclose(confidence(logits, labels), p)
    assert torch.allclose(one_minus_confidence(logits, labels), 1 - p)
    assert torch.allclose(cross_entropy(logits, labels), -p.log(), atol=1e-6)
    steps = torch.arange(4.0).view(1, 1, 1, 4).expand(2, 1, 4, 4)
    assert total_variation(steps).tolist() == [1.0, 1.0] and total_variation(torch.ones(1, 1, 3, 3)).item() == 0


def test_what_is_not_finite_is_named_with_its_step():
    ensure_finite(3, image=torch.zeros(2))
    with pytest.raises(NotFinite, match="latent became NaN or infinite by step 3"):
        ensure_finite(3, image=torch.zeros(2), latent=torch.tensor([0.0, torch.inf]))


def test_a_victim_gone_mad_ends_the_attack():
    victim = QuadrantVictim()
    with torch.no_grad():
        victim.head.weight.fill_(torch.nan)
    for key in SEARCHING:
        if ATTACKS.entry(key).info.access is Access.LABEL:
            continue  # it sees a class, which is always a number
        with pytest.raises(NotFinite):
            list(frames_of(key, make_context(key, victim=victim)))


# On real faces


@pytest.fixture(scope="module")
def stages():
    """Return a function that gives a scenario and its judge."""

    @cache
    def staged(key: str) -> tuple[Scenario, EvalContext]:
        scenario = SCENARIOS[key]()
        return scenario, EvalContext(Panel.of(scenario), scenario.private)

    return staged


# MI-Face needs a target whose gradient is a face, as in its paper; on a deep one it draws noise.
TARGETS = {"mi-face": "softmax"}
# A step on digits takes a third of the time of one on faces, and the large priors of faces take a minute on two cores.
FIVE_DIGITS = ("digits", (0, 1, 2, 3, 4))
PLACES = dict.fromkeys(("diffusion", "ppa", "vmi", "mirror", "if-gmi", "ppdg-mi", "ked-mi", "pixel"), FIVE_DIGITS)
PLACES["plg-mi"] = ("faces", (0, 3, 8, 12, 17, 22, 30, 39))  # its prior has the classes; of four it draws each at once
FOUR = ("faces", (0, 12, 22, 39))


FEWER = {"steps": 20, "tries": 1, "samples": 100}  # enough to be better than what was not searched for
OTHERS = {  # of steps that are dearer, or worth less, than those of the rest
    "pixel": {"steps": 80},
    "diffusion": {"steps": 12, "rounds": 1},
    "plg-mi": {"steps": 30},
    "if-gmi": {"inner": 6},
    "ppdg-mi": {"share": 0.08, "pictures": 2, "kept": 1, "tuning": 3},
}


def usual_prior(key: str) -> str:
    """Return the prior whose samples an attack is to beat."""
    return ATTACKS.entry(key).info.prior or "gan"


def attacked(key: str, victim_of: str, stages, **knobs) -> dict[str, float]:
    """Attack the people of `victim_of` with its target and its prior; return what two metrics say of what comes out.

    Args:
        victim_of: the attack whose place, target and, where `key` uses one, prior are taken.
    """
    place, people = PLACES.get(victim_of, FOUR)
    scenario, judging = stages(place)
    info, usual = ATTACKS.entry(key).info, usual_prior(victim_of)
    view = TargetView(
        load_classifier(place, TARGETS.get(victim_of, "resnet")),
        info.access,
        num_classes=scenario.num_classes,
        input_shape=scenario.input_shape,
    )
    labels = torch.tensor(people)
    context = replace(
        make_context(key, every=10**9),
        target=view,
        classes=labels,
        flips=scenario.flips,
        prior=load_prior(place, usual, target="resnet") if info.prior else None,
    )
    *_, last = quick(key, **knobs).run(context)
    judged = Judged(last.payload.images, labels, judging)
    return {name: METRICS[name](judged).mean().item() for name in ("acc@1", "knn_dist")}


@pytest.fixture(scope="module")
def floors(stages):
    """Return a function that gives the figures of random samples where an attack is tried, made once for all there."""

    @cache
    def floor(place: tuple[str, tuple[int, ...]], prior: str) -> dict[str, float]:
        same = next(k for k in SEARCHING if (PLACES.get(k, FOUR), usual_prior(k)) == (place, prior))
        return attacked(BASELINE, same, stages)

    return lambda key: floor(PLACES.get(key, FOUR), usual_prior(key))


@pytest.mark.parametrize("key", [k for k in SEARCHING if ATTACKS.entry(k).info.access is Access.WHITE_BOX])
def test_it_beats_a_random_sample_of_its_prior_on_real_people(key, stages, floors):
    fewer = {name: value for name, value in FEWER.items() if name in knobs_of(ATTACKS[key])}
    found, floor = attacked(key, key, stages, **{**fewer, **OTHERS.get(key, {})}), floors(key)
    assert found["acc@1"] > floor["acc@1"]
    assert found["knn_dist"] < floor["knn_dist"]
