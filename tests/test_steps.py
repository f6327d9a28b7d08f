"""What a frame says is true: step k is the state after k updates, and a curve is one quantity from end to end."""

from __future__ import annotations

import pytest
import torch
from conftest import LinearPrior, QuadrantVictim, WalkingPrior, class_attacks, frames_of, make_context, quick

from workbench.attacks import ATTACKS
from workbench.attacks.mi_face import COSTS
from workbench.attacks.parts.losses import IDENTITY, confidence, total_variation
from workbench.attacks.parts.questions import log_confidences
from workbench.core.knobs import knobs_of
from workbench.core.records import Access

KEYS = class_attacks()
every_attack = pytest.mark.parametrize("key", KEYS)
GRADIENT = [k for k in KEYS if ATTACKS.entry(k).info.access is Access.WHITE_BOX]
every_gradient_attack = pytest.mark.parametrize("key", GRADIENT)
# PPDG-MI takes its steps and its losses from the attack that it is put around.
every_stepping_attack = pytest.mark.parametrize("key", [k for k in GRADIENT if k != "ppdg-mi"])
# So that a view is the image itself, and a loss over views can be computed from the images that are shown.
STILL = {"shake": 0.0, "tries": 1, "looks": 0}
PLAIN = {
    **{k: STILL for k in KEYS if "shake" in knobs_of(ATTACKS[k])},
    "plg-mi": {**STILL, "crop": 1.0, "jitter": 0.0, "degrees": 0.0},
    "ppa": {**STILL, "looks": 1, "crop": 1.0},
    "if-gmi": {**STILL, "crop": 1.0},
    "diffusion": {"crop": 1.0},
    "pixel": {"crop": 1.0},
}
STEPS = {"diffusion": 2}  # the fewest it takes


@every_attack
def test_a_curve_is_one_quantity_to_its_last_point(key):
    """A loss of the last frame has a name that the frames before have, and none but the gradient's is left out."""
    frames = [f for f in frames_of(key, make_context(key)) if f.losses]
    if key == "random":
        assert not frames
        return
    names = [set(f.losses) for f in frames]
    assert names[-1] - {"gradient norm"} == names[0] - {"gradient norm"}
    assert all(n - {"gradient norm"} == names[0] - {"gradient norm"} for n in names)


@every_gradient_attack
def test_no_curve_jumps_in_the_last_frame(key):
    """Late in a run the last step moves no curve further than all the steps before it have."""
    frames = [f for f in frames_of(key, make_context(key), **PLAIN.get(key, {})) if f.losses]
    for name in frames[-1].losses:
        values = torch.stack([f.losses[name].mean() for f in frames])
        span = values[:-1].max() - values[:-1].min()
        assert (values[-1] - values[-2]).abs() <= span + 1e-3, f"{name}: {values[-3:].tolist()}"


def recomputed(key: str, attack, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the losses of the images, (N,) each, by the victim itself: those that need no more than the images."""
    labels, logits = torch.arange(4), QuadrantVictim()(images)
    known: dict[str, torch.Tensor] = {}
    if "identity_loss" in knobs_of(type(attack)):
        known["identity"] = IDENTITY[attack.identity_loss](logits, labels)
    if key == "mi-face":
        roughness = total_variation(images)
        known |= {
            "cost": COSTS[attack.cost](logits, labels) + attack.smoothness * roughness,
            "total variation": roughness,
        }
    if key == "pixel":
        known |= {"roughness": total_variation(images), "statistics": torch.zeros(4)}
    if key in ("gmi", "ked-mi"):
        known["prior"] = -LinearPrior().discriminate(images)
    return known


@every_stepping_attack
def test_the_last_losses_are_those_of_the_images_shown(key):
    knobs = PLAIN.get(key, {})
    *_, last = frames_of(key, make_context(key), **knobs)
    wanted = recomputed(key, quick(key, **knobs), last.payload.images)
    assert wanted and set(wanted) <= set(last.losses)
    for name, value in wanted.items():
        assert torch.allclose(last.losses[name], value, atol=1e-3), name
    sure = confidence(QuadrantVictim()(last.payload.images), torch.arange(4))
    assert torch.allclose(last.payload.confidence, sure, atol=1e-4)


@pytest.mark.parametrize("key", ["gmi", "plg-mi", "mi-face"])
def test_every_frames_losses_are_those_of_the_images_it_shows(key):
    """Step by step: the first steps move most, and a curve that is one step late would be told apart there."""
    knobs = {**PLAIN.get(key, {}), "steps": 5}
    for frame in list(frames_of(key, make_context(key), **knobs))[1:]:
        for name, value in recomputed(key, quick(key, **knobs), frame.payload.images).items():
            assert torch.allclose(frame.losses[name], value, atol=1e-3), (frame.step, name)


@pytest.mark.parametrize("key", ["deep-bmi", "rlb-mi", "mirror-bb", "yoshimura"])
def test_the_cross_entropy_and_the_confidence_of_a_search_by_scores_are_of_the_image_shown(key):
    *_, last = frames_of(key, make_context(key))
    sure = QuadrantVictim()(last.payload.images).softmax(1).gather(1, torch.arange(4)[:, None])[:, 0]
    assert torch.allclose(last.losses["cross-entropy"], -log_confidences(sure), atol=1e-3)
    assert torch.allclose(last.payload.confidence, sure, atol=1e-4)


@every_stepping_attack
def test_one_step_is_one_update(key):
    """With the fewest steps the last frame says so, and no longer shows the start."""
    prior = ATTACKS.entry(key).info.prior
    rng = torch.Generator().manual_seed(5)
    start = 0.3 * LinearPrior().sample(4, rng).tanh() if prior else 0.2 + 0.6 * torch.rand(4, 1, 8, 8, generator=rng)
    steps = STEPS.get(key, 1)
    extra = {"diffusion": {"rounds": 1}, "if-gmi": {"stages": 0}}.get(key, {})
    first, *_, last = frames_of(key, make_context(key, start=start), steps=steps, **extra)
    assert last.step == last.total == steps
    assert not torch.equal(last.payload.images, first.payload.images)


@pytest.mark.parametrize("key", ["gmi", "mi-face", "plg-mi", "pixel"])
def test_a_step_more_goes_on_from_the_same_state(key):
    """Step 2 of a run of 3 is the end of the run of 2, where the last frame shows the search itself."""
    knobs = PLAIN.get(key, {})
    short = list(frames_of(key, make_context(key), **knobs, steps=2))
    long = list(frames_of(key, make_context(key), **knobs, steps=3))
    assert [f.step for f in long] == [0, 1, 2, 3]
    for a, b in zip(short, long, strict=False):
        assert torch.allclose(a.payload.images, b.payload.images, atol=1e-6), a.step
    assert not torch.equal(long[1].payload.images, long[2].payload.images)


QUERIES = {
    # (queries after k steps) of four candidates: an evaluation a step, and one at the end.
    "gmi": lambda k, end: 4 * (k + 1) + 4 * end,  # the images themselves, beside views of them
    "mi-face": lambda k, end: 4 * (k + 1),
    "ked-mi": lambda k, end: 4 * (k + 1) + 4 * end,
    "pixel": lambda k, end: 4 * (k + 1) + 4 * end,
    "plg-mi": lambda k, end: 8 * (k + 1) + 4 * end,
}


@pytest.mark.parametrize("key", QUERIES)
def test_queries_are_those_of_the_steps_taken(key):
    knobs = {"mi-face": {"stop_cost": 0.0}, "gmi": STILL, "ked-mi": STILL}.get(key, {})
    frames = list(frames_of(key, make_context(key), steps=5, **knobs))
    assert [f.step for f in frames] == [0, 1, 2, 3, 4, 5] and frames[0].queries == 0
    for frame in frames[1:]:
        assert frame.queries == QUERIES[key](frame.step, frame.step == 5), frame.step


def test_plg_mi_shows_the_mean_of_its_two_looks():
    """The same loss as any other attack's, not twice it: with views that change nothing, the loss of the image."""
    frames = list(frames_of("plg-mi", make_context("plg-mi"), **PLAIN["plg-mi"], steps=3))
    for frame in frames[1:]:
        wanted = IDENTITY["max-margin"](QuadrantVictim()(frame.payload.images), torch.arange(4))
        assert torch.allclose(frame.losses["identity"], wanted, atol=1e-4)


def test_a_walk_shows_what_each_stride_promises():
    """Frame k of an unguided walk is the clean image that x after k strides promises."""
    prior, context = WalkingPrior(), make_context("diffusion")
    frames = list(frames_of("diffusion", context, strength=0.0, rounds=1, steps=4, crop=1.0))
    x = prior.canvas(frames[0].payload.latents)
    for frame, (t, after) in zip(frames[1:4], prior.walk(4), strict=False):
        x = prior.noised(*prior.predict(x, t), after)
        promised, _ = prior.predict(x, after)
        assert torch.allclose(frame.payload.images, prior.picture(promised), atol=1e-5), frame.step
    assert [f.step for f in frames] == [0, 1, 2, 3, 4]


def test_yoshimura_asks_about_where_its_last_step_led():
    """Of one step, without a pool: the start, the differences, and the point that the step led to."""
    context = make_context("yoshimura")
    *_, last = frames_of("yoshimura", context, steps=1, pool=0, directions=2)
    assert last.queries == 4 * (1 + 2 + 1)


def test_lokts_margin_is_of_the_latents_after_the_step():
    """Of a run that trusts its stand-ins, step k of a longer run is the end of a shorter one, margin and all."""
    short = list(frames_of("lokt", make_context("lokt"), confirm=0, steps=1))
    long = list(frames_of("lokt", make_context("lokt"), confirm=0, steps=2))
    a, b = short[-1], long[-2]
    assert a.step == b.step and torch.allclose(a.payload.latents, b.payload.latents, atol=1e-6)
    assert torch.allclose(a.losses["margin"], b.losses["margin"], atol=1e-5)
    assert not torch.allclose(long[-1].losses["margin"], b.losses["margin"], atol=1e-7)
    assert torch.equal(long[-1].losses["classifiers' error"], b.losses["classifiers' error"])
