"""Defenses: what each promises on a toy problem with a known answer, and the formulas they rest on."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache, partial

import pytest
import torch
from conftest import CLASSES, SHAPE, LinearPrior, QuadrantVictim
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from workbench.core.errors import DataMissing, Incompatible, KnobError, NotFinite, UnknownName, UsageError
from workbench.core.knobs import configure, knobs_of
from workbench.core.records import Access, RunConfig, TrainingConfig
from workbench.core.weights import amend_card, has_weights, load_weights, read_card, weights_path
from workbench.defenses import bido, load_target, train_target
from workbench.defenses.bido import hidden_blocks, image_dependence, outputs_of
from workbench.defenses.dp_sgd import without_batch_norm
from workbench.defenses.mid import StochasticHead, divergence
from workbench.defenses.midre import erased
from workbench.defenses.neg_ls import margin, smoothed_loss, smoothing_at
from workbench.defenses.netguard import find_fakes
from workbench.defenses.parts.balanced import balanced_batches
from workbench.defenses.parts.kernel_dependence import coco, gaussian_kernel, hsic, linear_kernel
from workbench.defenses.parts.output import with_winner
from workbench.defenses.plan import DEFENSES, Plan
from workbench.defenses.rolss import residual_blocks
from workbench.defenses.store import load_classifier, release_name, target_card, target_problem, weights_name
from workbench.defenses.tl_dmi import first_layers
from workbench.defenses.trap_mid import drawn_classes, laid_over
from workbench.defenses.wen import within
from workbench.engine import compatibility
from workbench.scenarios import Labelled, Scenario, Split
from workbench.scenarios.base import split_by_class
from workbench.scenarios.digits import Digits
from workbench.targets import Classifier, pretraining
from workbench.targets.pretraining import public_name
from workbench.targets.training import ClassifierRecipe, DefenseSetting, accuracy, fit
from workbench.targets.view import AveragingView, TargetView, view_of
from workbench.trainings import execute as training_job
from workbench.trainings import start as trainings
from workbench.trainings.start import trained_name, training_problems
from workbench.ui.comparison import cost_of

OUTPUTS = [e.key for e in DEFENSES if e.info.stage == "output"]
FIXED = [k for k in OUTPUTS if not DEFENSES[k].learns]  # nothing to train


def images(n: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(seed))


def released(key: str, model=None, **knobs) -> TargetView:
    guarded = configure(DEFENSES[key], knobs).wrap(model or QuadrantVictim())
    return TargetView(guarded, Access.SCORES, num_classes=CLASSES, input_shape=SHAPE)


def bare(x: torch.Tensor) -> torch.Tensor:
    return QuadrantVictim()(x).detach().softmax(1)


# The text that names a defense


@pytest.mark.parametrize(
    ("text", "canonical", "suffix"),
    [
        ("none", "none", ""),
        ("rounding", "rounding", ""),
        ("none+rounding", "rounding", ""),
        ("rounding(step=0.05)", "rounding", ""),
        ("rounding( step = 0.2 )", "rounding(step=0.2)", ""),
        ("top-k(k=3)", "top-k(k=3)", ""),
    ],
)
def test_one_defense_has_one_text(text, canonical, suffix):
    plan = Plan.of(text)
    assert (str(plan), plan.trained_under.suffix) == (canonical, suffix) and Plan.of(str(plan)) == plan


@pytest.mark.parametrize("entry", list(DEFENSES), ids=lambda e: e.key)
def test_every_level_of_a_defense_has_a_text_that_reads_back(entry):
    for level in entry.info.levels:
        plan = Plan.of(f"{entry.key}({entry.info.strength}={level})")
        assert Plan.of(str(plan)) == plan and getattr(plan.parts[0].defense, entry.info.strength) == level
        assert not set("()+/ ") & set(plan.trained_under.suffix)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("ronding", UnknownName, "Did you mean 'rounding'"),
        ("rounding(stp=1)", UnknownName, "Did you mean 'step'"),
        ("rounding(step=9)", KnobError, "allowed: 0.0001 to 0.5"),
        ("rounding(step)", UsageError, "has no value"),
        ("rounding(", UsageError, "does not name a defense"),
        ("", UsageError, "does not name a defense"),
        ("rounding+top-k", Incompatible, "both act on the output"),
    ],
)
def test_a_wrong_text_is_refused_in_words(text, error, words):
    with pytest.raises(error, match=words.replace("(", r"\(")):
        Plan.of(text)


# What is released


@pytest.mark.parametrize("key", FIXED)
def test_what_is_released_are_confidences_and_the_class_stays(key):
    x = images(60)
    scores = released(key).scores(x)
    assert scores.shape == (60, CLASSES) and torch.isfinite(scores).all() and (scores >= 0).all()
    assert torch.allclose(scores.sum(1), torch.ones(60), atol=1e-5)
    assert torch.equal(scores.argmax(1), bare(x).argmax(1)) and torch.equal(released(key).labels(x), bare(x).argmax(1))
    assert not torch.allclose(scores, bare(x), atol=1e-3)


@pytest.mark.parametrize("key", FIXED)
def test_the_same_questions_get_the_same_answers_in_another_session(key):
    x = images(5)
    assert torch.equal(released(key).scores(x), released(key).scores(x))


@pytest.mark.parametrize("key", FIXED)
def test_only_defenses_that_say_so_answer_at_random(key):
    door, x = released(key), images(5)
    assert torch.equal(door.scores(x), door.scores(x)) == (not DEFENSES.entry(key).info.random)


def test_rounded_confidences_are_multiples_of_the_step():
    scores = (
        configure(DEFENSES["rounding"], {"step": 0.25})
        .wrap(QuadrantVictim())
        .release(torch.tensor([[0.60, 0.30, 0.10, 0.0]]), images(1))
    )
    assert torch.allclose(scores, torch.tensor([[0.5, 0.25, 0.0, 0.0]]))


def test_rounding_everything_away_leaves_the_label():
    flat = QuadrantVictim(sharpness=0.01)
    scores = released("rounding", flat, step=0.5).scores(images(3))
    assert torch.allclose(scores, torch.full((3, CLASSES), 0.25), atol=1.0) and torch.isfinite(scores).all()
    assert torch.equal(scores.argmax(1), flat(images(3)).argmax(1))


def test_top_k_keeps_the_best_and_spreads_the_rest():
    wrapped = configure(DEFENSES["top-k"], {"k": 2}).wrap(QuadrantVictim())
    scores = wrapped.release(torch.tensor([[0.2, 0.5, 0.25, 0.05]]), images(1))
    assert torch.allclose(scores, torch.tensor([[0.125, 0.5, 0.25, 0.125]]))
    whole = configure(DEFENSES["top-k"], {"k": 99}).wrap(QuadrantVictim())
    assert torch.equal(whole.release(bare(images(4)), images(4)), bare(images(4)))


def test_temperature_divides_the_logits():
    x = images(6)
    expected = (QuadrantVictim()(x) / 3).softmax(1)
    assert torch.allclose(released("temperature", temperature=3).scores(x), expected, atol=2e-4)


def test_label_only_releases_a_confidence_of_one():
    scores = released("label-only").scores(images(6))
    assert torch.equal(scores.sort(1).values[:, -1], torch.ones(6)) and (scores.sort(1).values[:, :-1] == 0).all()


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=5), st.integers(0, 2))
def test_the_winner_wins_and_the_others_stay(rows, label):
    scores, labels = torch.tensor(rows), torch.full((len(rows),), label)
    found = with_winner(scores, labels)
    assert torch.equal(found.argmax(1), labels)
    others = torch.arange(3) != label
    assert torch.equal(found[:, others], scores[:, others])


# An attacker who asks again


def test_averaging_approaches_what_was_hidden():
    def distance(asks: int) -> float:
        model = configure(DEFENSES["noise"], {"deviation": 0.5}).wrap(QuadrantVictim())
        door = view_of(model, Access.SCORES, asks=asks, num_classes=CLASSES, input_shape=SHAPE)
        found = (door.scores(images(40)) - bare(images(40))).abs().mean().item()
        assert door.queries == 40 * asks
        return found

    assert distance(64) < 0.6 * distance(1)


def test_an_averaging_view_counts_every_question_and_keeps_the_budget():
    door = view_of(QuadrantVictim(), Access.SCORES, asks=3, num_classes=CLASSES, input_shape=SHAPE, budget=10)
    assert isinstance(door, AveragingView) and door.affordable(5) == 3
    once = TargetView(QuadrantVictim(), Access.SCORES, num_classes=CLASSES, input_shape=SHAPE)
    assert torch.allclose(door.scores(images(1)), once.scores(images(1)))
    assert torch.equal(door.labels(images(1)), once.labels(images(1))) and door.queries == 6
    values, classes = door.top_k(images(1))
    assert torch.equal(classes, once.top_k(images(1))[1]) and torch.allclose(values, once.top_k(images(1))[0])
    assert door.affordable(5) == 0 and isinstance(
        view_of(QuadrantVictim(), Access.LABEL, num_classes=2, input_shape=SHAPE), TargetView
    )


def test_majority_decides_labels():
    class Fickle(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.turn = 0

        def forward(self, x):
            self.turn += 1
            return torch.nn.functional.one_hot(torch.full((len(x),), 0 if self.turn % 3 == 0 else 2), CLASSES).float()

    door = view_of(Fickle(), Access.LABEL, asks=3, num_classes=CLASSES, input_shape=SHAPE)
    assert door.labels(images(4)).tolist() == [2] * 4


def test_a_run_that_asks_again_is_recorded_as_such():
    config = RunConfig("digits", "gmi", "resnet", classes=(0,), asks=4)
    assert RunConfig.from_json(config.to_json()) == config
    without = {k: v for k, v in config.to_json().items() if k != "asks"}
    assert RunConfig.from_json(without).asks == 1


# Training


class Stripes(Scenario):
    """Three classes of 16x16 stripes: upright, lying, slanted, in noise. Any network learns them in a second."""

    key, title, summary = "stripes", "Stripes", ""
    input_shape, class_names = (1, 16, 16), ("upright", "lying", "slanted")
    private_source, public_source = "made up", "made up"

    def load_private(self) -> Split:
        return split_by_class(self.drawn(40, 0), 30, 0)

    def drawn(self, each: int, seed: int) -> Labelled:
        rng = torch.Generator().manual_seed(seed)
        rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
        labels = torch.arange(3).repeat_interleave(each)
        way = torch.stack([columns, rows, (rows + columns) / 2**0.5])[labels]
        waves = (way + torch.rand(len(labels), 1, 1, generator=rng)).sin()
        return Labelled(
            (0.5 + 0.3 * waves + 0.1 * torch.randn(waves.shape, generator=rng)).clamp(0, 1)[:, None], labels
        )

    def public_labelled(self, folder=None) -> Labelled:
        return self.drawn(40, 1)


FEW_STEPS = {"wen": 24, "purifier": 150}  # of what is put around a target, which is enough for stripes
RECIPE = ClassifierRecipe(epochs=8, batch=30, shift=0.0, scale=0.0, rotate=0.0, contrast=0.0)
TRAININGS = [e.key for e in DEFENSES if e.info.stage == "training"]
ALONE = [k for k in TRAININGS if k != "netguard"]  # what needs no prior


def net(key: str) -> str:
    """Return the smallest network that can be defended so."""
    return "mlp" if configure(DEFENSES[key]).problem("mlp") is None else "resnet"


@pytest.fixture(scope="module", autouse=True)
def bench(tmp_path_factory):
    """Give this module a folder of weights of its own, so that what one test trains another may use."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_MODELS", str(tmp_path_factory.mktemp("models")))
        patch.setattr(pretraining, "EXAMPLES", 600)
        for learning, steps in FEW_STEPS.items():
            patch.setattr(f"workbench.defenses.{learning}.STEPS", steps)
        yield


@cache
def trained(defense: str, arch: str = "mlp", recipe: ClassifierRecipe = RECIPE):
    """Train a toy target; return it as it is loaded, its card and what was reported."""
    progress = list(train_target(Stripes(), arch, defense=defense, recipe=recipe))
    return load_classifier("stripes", arch, defense), target_card("stripes", arch, defense), progress


@pytest.mark.parametrize("key", ALONE)
def test_a_defended_target_still_learns_its_task(key):
    model, card, progress = trained(LIGHT.get(key, key), net(key))
    heldout = Stripes().private.heldout
    assert accuracy(model, heldout) >= 0.9 and card["heldout_accuracy"] == pytest.approx(
        accuracy(model, heldout), abs=0.03
    )
    assert card["defense"]["text"] == LIGHT.get(key, key) and set(card["defense"]["knobs"]) == set(
        knobs_of(DEFENSES[key])
    )
    assert progress[-1].epoch == progress[-1].total and all(p.loss == p.loss for p in progress)
    assert not model.training and not any(p.requires_grad for p in model.parameters())
    assert not [m for m in model.modules() if m._forward_hooks or m._backward_hooks]


@pytest.mark.parametrize("key", TRAININGS)
def test_a_fine_tuned_recogniser_can_be_defended_too(key):
    assert DEFENSES[key]().problem("facenet") is None


def test_a_recogniser_of_residual_blocks_loses_its_last_shortcut():
    model = DEFENSES["rolss"]().build(Classifier("facenet", (1, 64, 64), 4))
    assert [block.skip for block in residual_blocks(model)] == [1.0] * 11 + [0.0]
    block, x = residual_blocks(model)[-1], torch.rand(1, 128, 7, 7)
    assert torch.equal(block(x), block.conv(x)) and len(hidden_blocks(model)) == 17


# The toy has 135 images, too few for the default ε.
LIGHT = {"dp-sgd": "dp-sgd(epsilon=2000)"}


@pytest.mark.parametrize("key", ALONE)
def test_the_same_seed_makes_the_same_target(key):
    short = replace(RECIPE, epochs=1)
    first, second = (trained.__wrapped__(key, net(key), short)[0] for _ in range(2))
    other = trained(key, net(key), replace(short, seed=1))[0]
    x = Stripes().private.heldout.images
    assert torch.equal(first(x), second(x)) and not torch.equal(first(x), other(x))


@pytest.mark.parametrize("key", ALONE)
def test_a_defense_makes_another_target_than_none(key):
    short = replace(RECIPE, epochs=4)
    x = Stripes().private.heldout.images
    assert not torch.allclose(trained(key, net(key), short)[0](x), trained("none", net(key), short)[0](x), atol=1e-3)


@pytest.mark.parametrize("key", TRAININGS)
def test_a_defense_at_training_goes_with_one_at_the_output(key):
    text, arch = f"{key}+rounding", net(key)
    assert weights_name("stripes", arch, text) == weights_name("stripes", arch, key) == f"stripes/target-{arch}-{key}"
    if key in ALONE:
        list(train_target(Stripes(), arch, defense=key, recipe=replace(RECIPE, epochs=1)))
        bare, x = load_classifier("stripes", arch, key), Stripes().private.heldout.images
        scores = load_target("stripes", arch, text)(x).softmax(1)
        assert torch.equal(scores.argmax(1), bare(x).argmax(1))
        bare = load_classifier("stripes", arch, key)  # noise from its beginning
        assert torch.allclose(scores, configure(DEFENSES["rounding"]).wrap(bare)(x).softmax(1))


def test_other_strengths_are_other_weights():
    few = replace(RECIPE, epochs=1)
    list(train_target(Stripes(), "mlp", defense="mid", recipe=few))
    list(train_target(Stripes(), "mlp", defense="mid(strength=0.3)", recipe=few))
    assert weights_name("stripes", "mlp", "mid(strength=0.3)") == "stripes/target-mlp-mid,strength=0.3"
    assert [
        target_card("stripes", "mlp", f"mid{s}")["defense"]["knobs"]["strength"] for s in ("", "(strength=0.3)")
    ] == [0.03, 0.3]
    assert "--defense 'mid(strength=5)'" in target_problem("stripes", "mlp", "mid(strength=5)")


def test_a_training_that_diverges_keeps_the_weights_that_were_there():
    few = replace(RECIPE, epochs=1)
    list(train_target(Stripes(), "mlp", defense="mid", recipe=few))
    before = target_card("stripes", "mlp", "mid")
    with pytest.raises(NotFinite, match="strength of the defense"):
        list(train_target(Stripes(), "mlp", defense="mid", recipe=replace(few, epochs=9, lr=1e18)))
    assert target_card("stripes", "mlp", "mid") == before


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("text", "words"),
    [("rounding", "nothing to train"), ("mid+rounding", "Train with --defense mid alone"), ("bido", "has none")],
)
def test_what_cannot_be_trained_says_why(text, words):
    with pytest.raises(Incompatible, match=words):
        list(train_target(Stripes(), "softmax", defense=text))


# What each defense promises, in one figure: its own, and that of a target without it


def layers_tell(model) -> float:
    """Return how much the hidden layers depend on the image."""
    data = Stripes().private.train
    return sum(image_dependence(model, data, 30))


def moved_from_public(model) -> float:
    """Return the share of the body's numbers that training on private images has moved."""
    public = load_weights(public_name("stripes", model.arch))[0]
    moved = [(v - public[f"body.{k}"]).abs() > 1e-3 for k, v in model.body.named_parameters()]
    return sum(m.sum().item() for m in moved) / sum(m.numel() for m in moved)


def nats_told(model) -> float:
    """Return how many nats an answer carries at most; without noise, as many as you like."""
    if not isinstance(model.head, StochasticHead):
        return 1e9
    with torch.no_grad():
        return divergence(*model.head.code(model.features(Stripes().private.heldout.images))).mean().item()


def directions_seen(model) -> float:
    """Return in how many directions of the features an inversion can move any logit."""
    features = model.features(Stripes().private.heldout.images).detach().requires_grad_(True)
    logits = model.head(features)
    slopes = [torch.autograd.grad(logits[:, c].sum(), features, retain_graph=True)[0] for c in range(3)]
    found = torch.linalg.svdvals(torch.cat(slopes))
    return (found > 1e-4 * found[0]).sum().item()


def carried_by_the_last_shortcut(model) -> float:
    """Return how much of the last block's output its shortcut makes."""
    block = residual_blocks(model)[-1]
    inputs = []
    hook = block.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    with torch.no_grad():
        model(Stripes().private.heldout.images)
        hook.remove()
        return block.skip * block.shortcut(inputs[0]).abs().mean().item()


def missed_without_a_part(model) -> float:
    """Return how often the target fails when a square of the image is gone."""
    data, rng = Stripes().private.heldout, torch.Generator().manual_seed(3)
    x = erased(data.images.repeat(8, 1, 1, 1), 0.9, torch.full((1, 1, 1), 0.5), rng)
    return 1 - (model(x).argmax(1) == data.labels.repeat(8)).float().mean().item()


def margin_of_logits(model) -> float:
    return -margin(model, Stripes().private.heldout)


# Of each defense in training: as what, on which network, and what it makes less.
PROMISES = {
    "mid": ("mid", "mlp", nats_told),
    "bido": ("bido(strength=3)", "resnet", layers_tell),
    "neg-ls": ("neg-ls(alpha=-0.2)", "mlp", margin_of_logits),
    "tl-dmi": ("tl-dmi", "resnet", moved_from_public),
    "dp-sgd": ("dp-sgd(epsilon=2000)", "resnet", moved_from_public),
    "loft": ("loft(rank=2)", "resnet", directions_seen),
    "rolss": ("rolss", "resnet", carried_by_the_last_shortcut),
    "midre": ("midre(area=0.6)", "resnet", missed_without_a_part),
}
ELSEWHERE = {"netguard", "trap-mid"}  # their traps have tests of their own below


def test_every_defense_in_training_says_what_it_promises():
    assert {e.key for e in DEFENSES if e.info.stage == "training"} == PROMISES.keys() | ELSEWHERE


@pytest.mark.parametrize("key", PROMISES)
def test_a_defense_in_training_keeps_its_promise(key):
    text, arch, figure = PROMISES[key]
    trained("tl-dmi", "resnet", replace(RECIPE, epochs=1))  # from here on there is a public classifier
    with_it, without = figure(trained(text, arch)[0]), figure(trained("none", arch)[0])
    assert with_it < without - 0.1 * abs(without)


@pytest.mark.parametrize("key", FIXED)
def test_a_defense_at_the_output_hides_an_order_of_classes_or_is_said_to_hide_none(key):
    x = images(60)
    honest, found = bare(x), released(key).scores(x)
    pairs = [(a, b) for a in range(CLASSES) for b in range(CLASSES) if a != b]
    kept = torch.stack([(found[:, a] > found[:, b])[honest[:, a] > honest[:, b]].float().mean() for a, b in pairs])
    if key == "temperature":
        assert kept.min() == 1 and "still there" in DEFENSES.entry(key).info.summary
    else:
        assert kept.mean() < 0.95


# One by one: BiDO


def test_dependence_is_nought_of_a_constant_and_full_of_itself():
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(12, 3, generator=rng, dtype=torch.double)
    k, constant = gaussian_kernel(x, 1.0), torch.ones(12, 12, dtype=torch.double)
    assert hsic(k, constant).item() == pytest.approx(0, abs=1e-6) and coco(k, constant).item() == pytest.approx(
        0, abs=1e-6
    )
    # A full-rank centred kernel has m − 1 directions, each of which agrees with itself.
    assert hsic(k, k).item() == pytest.approx(11, abs=0.2)


def test_dependence_by_hand():
    """Two points: the centred linear kernel of ±1 is [[1, −1], [−1, 1]], of norm 2 and eigenvalue 2."""
    k = linear_kernel(torch.tensor([[1.0], [-1.0]], dtype=torch.double))
    assert coco(k, k).item() == pytest.approx(4**0.5 / 2)
    share = 2 / (2 + 1e-5 * 2)
    assert hsic(k, k).item() == pytest.approx(share**2, abs=1e-9)
    assert gaussian_kernel(torch.tensor([[0.0, 0.0], [3.0, 4.0]]), 5.0)[0, 1].item() == pytest.approx(
        math.exp(-25 / 100)
    )


@given(st.integers(0, 99))
def test_dependence_does_not_depend_on_the_order_of_the_images(seed):
    rng = torch.Generator().manual_seed(seed)
    x, y = (torch.randn(8, 3, generator=rng, dtype=torch.double) for _ in range(2))
    order = torch.randperm(8, generator=rng)
    for measure in (hsic, coco):
        here = measure(gaussian_kernel(x), gaussian_kernel(y))
        assert torch.allclose(here, measure(gaussian_kernel(y), gaussian_kernel(x)))
        assert torch.allclose(here, measure(gaussian_kernel(x[order]), gaussian_kernel(y[order])))
        assert -1e-9 <= here.item() <= 7.01


@pytest.mark.parametrize("measure", [hsic, coco])
def test_dependence_has_a_slope_everywhere(measure):
    x = torch.zeros(6, 4, requires_grad=True)  # all alike: the kernel has no spread at all
    measure(gaussian_kernel(x), linear_kernel(torch.eye(6))).backward()
    assert torch.isfinite(x.grad).all()


def test_bido_sees_every_block_and_leaves_no_hook():
    model = Classifier("resnet", (1, 16, 16), 3)
    layers = hidden_blocks(model)
    assert len(layers) == 6 and hidden_blocks(Classifier("softmax", (1, 16, 16), 3)) == []
    with outputs_of(layers) as found:
        model(torch.rand(2, 1, 16, 16))
    assert [f.shape[0] for f in found] == [2] * 6 and found[-1].shape == (2, 128)
    with pytest.raises(RuntimeError), outputs_of(layers):
        model(torch.rand(2, 5, 16, 16))
    assert not [m for m in model.modules() if m._forward_hooks]


def test_bido_drives_the_image_out_of_the_hidden_layers():
    def dependence(defense: str) -> float:
        model, x = trained(defense, "resnet")[0], Stripes().private.heldout.images
        with outputs_of(hidden_blocks(model)) as found, torch.no_grad():
            model(x)
        return sum(hsic(gaussian_kernel(z), gaussian_kernel(x.flatten(1))).item() for z in found)

    assert dependence("bido(strength=3)") < 0.8 * dependence("none")


@given(st.integers(0, 99), st.sampled_from([(40, 7, 40), (5, 40, 64), (3, 30, 30), (2, 3, 64)]))
def test_balanced_batches_hold_equally_many_images_of_each_of_their_classes(seed, case):
    classes, each, size = case
    labels = torch.arange(classes).repeat_interleave(each)
    batches = list(balanced_batches(labels, size, torch.Generator().manual_seed(seed)))
    assert len(batches) == max(1, len(labels) // size)
    for index in batches:
        counts = labels[index].bincount(minlength=classes)
        present = counts[counts > 0]
        assert len(index) <= size and (present == present[0]).all() and present[0] >= min(5, size // classes)
    seen = labels[torch.cat(batches)].bincount(minlength=classes)
    assert seen.max() - seen.min() <= present[0], "every class comes as often as another"


def test_bido_that_does_the_reverse_says_so(monkeypatch):
    trained("none", "resnet")
    few, shaping = replace(RECIPE, epochs=1), configure(DEFENSES["bido"]).shaping(DefenseSetting(Stripes(), "resnet"))
    list(shaping.prepare(Classifier("resnet", (1, 16, 16), 3)))
    shaping.recipe(few), shaping.data(Stripes().private.train)
    told = iter([[2.0, 4.0], [1.0, 3.0], [1.0, 3.0], [2.0, 4.0]])
    monkeypatch.setattr(bido, "image_dependence", lambda *_: next(told))
    facts = shaping.facts()
    assert "not defended" in facts["warning"] and "HSIC 3.0 against 2.0" in facts["warning"]
    assert (facts["hsic_with_image"], facts["hsic_with_image_undefended"]) == (3.0, 2.0)
    assert "warning" not in shaping.facts()
    assert "not defended" in cost_of({"defense": facts}) and "not defended" not in cost_of({"defense": {}})


# MID


def test_the_divergence_is_that_of_two_normal_distributions():
    mean, deviation = torch.tensor([[0.5, -1.0]]), torch.tensor([[0.7, 1.3]])
    exact = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, deviation), torch.distributions.Normal(0.0, 1.0)
    )
    assert torch.allclose(divergence(mean, deviation), exact.sum(1))
    assert divergence(torch.zeros(1, 4), torch.ones(1, 4)).item() == 0


def test_the_bottleneck_stays_random_when_it_serves():
    head, x = StochasticHead(4, 3, 2), torch.randn(5, 4)
    assert not torch.equal(head(x), head(x)) and head.paid.shape == (5,)
    head.eval()
    head.encode.bias.data[3:] = 6.0  # noise worth averaging
    first = head(x)
    torch.manual_seed(0)
    assert not torch.equal(first, head(x)), "torch's own generator has no say"
    middle = head.classify(head.code(x)[0])
    head.draws = 400
    assert (head(x) - middle).abs().mean() < 0.2 * (first - middle).abs().mean()


def noisy_victim() -> torch.nn.Module:
    model = Classifier("softmax", SHAPE, CLASSES)
    model.head = StochasticHead(model.width, 4, CLASSES)
    model.head.encode.bias.data[4:] = 6.0
    return model.eval()


def test_sessions_of_one_seed_are_told_the_same_by_a_random_target():
    def told(victim, seed):
        door = TargetView(victim, Access.SCORES, num_classes=CLASSES, input_shape=SHAPE, seed=seed)
        return torch.cat([door.scores(images(3)), door.scores(images(3))])

    victim = noisy_victim()
    first = told(victim, 0)
    victim(images(9))  # whoever asks the same model in between changes nothing
    assert torch.equal(told(victim, 0), first) and not torch.equal(told(victim, 1), first)
    assert not torch.equal(first[:3], first[3:])


def test_who_holds_a_random_target_averages_its_noise_and_pays_for_every_draw():
    victim, x = noisy_victim(), images(20)
    middle = victim.head.classify(victim.head.code(victim.features(x))[0])

    def distance(asks: int) -> float:
        door = view_of(victim, Access.WHITE_BOX, asks=asks, num_classes=CLASSES, input_shape=SHAPE)
        found = (door.logits(x) - middle).abs().mean().item()
        assert door.queries == 20 * asks and door.module(x).head.draws == asks
        return found

    assert distance(64) < 0.4 * distance(1)
    assert victim.head.draws == 1


@pytest.mark.parametrize(
    ("attack", "defense", "at_random"),
    [("gmi", "mid", True), ("brep-mi", "mid", True), ("gmi", "noise", False), ("brep-mi", "noise", True)],
)
def test_who_meets_a_random_answer_is_told_to_average(monkeypatch, attack, defense, at_random):
    monkeypatch.setattr(compatibility, "problems", lambda config: [])
    said = [compatibility.notes(RunConfig("digits", attack, "resnet", defense=defense, asks=asks)) for asks in (1, 5)]
    assert any("answers at random" in note for note in said[0]) == at_random
    assert any("finds nothing" in note for note in said[1]) == (not at_random)


def test_a_dearer_bottleneck_lets_less_through():
    def information(strength: float) -> float:
        model, x = trained(f"mid(strength={strength})")[0], Stripes().private.heldout.images
        assert not torch.equal(model(x), model(x))
        return divergence(*model.head.code(model.features(x))).mean().item()

    assert information(0.3) < 0.7 * information(0.001)


# Negative label smoothing


@given(st.floats(-0.5, 0.5), st.integers(0, 3))
def test_smoothing_is_torchs_own_where_that_allows_it(alpha, label):
    logits, labels = torch.tensor([[1.0, -2.0, 0.5, 3.0]]), torch.tensor([label])
    ours = smoothed_loss(logits, labels, alpha)
    if alpha >= 0:
        assert torch.allclose(
            ours, torch.nn.functional.cross_entropy(logits, labels, label_smoothing=alpha).view(1), atol=1e-5
        )
    logs = -logits.log_softmax(1)[0]
    assert torch.allclose(ours, ((1 - alpha) * logs[label] + alpha * logs.mean()).view(1))


@pytest.mark.parametrize(("done", "expected"), [(0, 0), (0.5, 0), (0.625, -0.1), (0.75, -0.2), (0.9, -0.2)])
def test_negative_smoothing_is_brought_in_slowly(done, expected):
    assert smoothing_at(-0.2, done) == pytest.approx(expected)
    assert smoothing_at(0.2, done) == 0.2


def test_few_images_of_a_class_are_gone_through_more_often_and_a_cards_recipe_is_not_changed_again():
    few = replace(RECIPE, epochs=2)
    assert trained("neg-ls", recipe=few)[1]["recipe"]["epochs"] == 6
    for text, epochs in (("neg-ls(alpha=0.1)", 2), ("neg-ls", 2)):
        list(train_target(Stripes(), "mlp", defense=text, recipe=few, exact=text == "neg-ls"))
        assert target_card("stripes", "mlp", text)["recipe"]["epochs"] == epochs


# DP-SGD


def test_batch_norm_is_replaced_as_opacus_would():
    from opacus.validators import ModuleValidator

    for arch in ("resnet", "cnn", "mlp"):
        model = Classifier(arch, (1, 32, 32), 3)
        fixed = ModuleValidator.fix(model)
        count = without_batch_norm(model)
        assert [str(m) for m in model.modules()] == [str(m) for m in fixed.modules()] and (count > 0) == (arch != "mlp")


class _Own(torch.nn.Module):
    """A network as users write them: a layer that overwrites its input, and one that DP-SGD cannot learn."""

    def __init__(self, middle: torch.nn.Module) -> None:
        super().__init__()
        self.first, self.act = torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.ReLU(inplace=True)
        self.middle, self.pool = middle, torch.nn.AdaptiveAvgPool2d(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pool(self.act(self.middle(self.act(self.first(x))))).flatten(1)


def _stepped(middle: torch.nn.Module) -> Classifier:
    """Begin DP-SGD of every layer on a network of one's own, take one step, and return the network."""
    model = Classifier("mlp", (1, 16, 16), 3)
    model.assemble("mlp", (1, 16, 16), 3, _Own(middle), 16)
    shaping = configure(DEFENSES["dp-sgd"], {"layers": "all"}).shaping(DefenseSetting(Stripes(), "mlp"))
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    trained, stepping = shaping.begin(model, optimiser, 16, replace(RECIPE, batch=8, epochs=1))
    try:
        shaping.loss(trained, torch.rand(8, 1, 16, 16), torch.arange(8) % 3, 0.0).backward()
        stepping.step()
    finally:
        shaping.end(trained)
    return model


def test_layers_that_overwrite_their_input_are_mended_before_dp_sgd():
    model = _stepped(torch.nn.Conv2d(4, 4, 1))
    assert not any(getattr(layer, "inplace", False) for layer in model.modules())
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_layers_that_dp_sgd_cannot_learn_are_refused_by_name():
    norm = torch.nn.InstanceNorm2d(4, affine=True, track_running_stats=True)
    with pytest.raises(Incompatible, match=r"body\.middle \(InstanceNorm2d\).*GroupNorm.*layers=head"):
        _stepped(norm)


def test_the_card_says_what_privacy_was_spent():
    _, card, _ = trained("dp-sgd(epsilon=5,delta=0.001,layers=all)", arch="resnet", recipe=replace(RECIPE, epochs=1))
    told = card["defense"]
    assert (
        told["epsilon"] == pytest.approx(5, rel=0.05)
        and told["delta"] == 0.001
        and told["accountant"] == "RDP (Opacus)"
    )
    assert told["noise_multiplier"] > 0 and told["batch_norms_replaced"] == 12 and "added or removed" in told["promise"]


def test_less_epsilon_is_more_noise():
    noise = [
        trained(f"dp-sgd(epsilon={e})", recipe=replace(RECIPE, epochs=1))[1]["defense"]["noise_multiplier"]
        for e in (1, 10)
    ]
    assert noise[0] > 2 * noise[1]


@pytest.mark.parametrize("epsilon", ["0", "-1", "nan"])
def test_no_privacy_budget_is_refused(epsilon):
    with pytest.raises(KnobError, match="epsilon"):
        Plan.of(f"dp-sgd(epsilon={epsilon})")


def test_an_empty_batch_is_a_step_of_noise():
    shaping = configure(DEFENSES["dp-sgd"]).shaping(DefenseSetting(Stripes(), "mlp"))
    model = Classifier("mlp", (1, 16, 16), 3)
    assert shaping.loss(model, torch.zeros(0, 1, 16, 16), torch.zeros(0, dtype=torch.long), 0.0).item() == 0


# TL-DMI


def test_frozen_layers_are_the_public_ones():
    for end in (".json", ".safetensors"):  # which another test may have trained
        weights_path(public_name("stripes", "resnet")).with_suffix(end).unlink(missing_ok=True)
    model, card, progress = trained("tl-dmi(frozen=0.6)", "resnet", replace(RECIPE, epochs=2))
    public = load_weights(public_name("stripes", "resnet"))[0]
    body = {f"body.{k}": v for k, v in model.body.state_dict().items() if v.is_floating_point()}
    same = [k for k, v in body.items() if torch.equal(v, public[k])]
    assert {p.phase for p in progress} == {"public classes", "training images"}
    assert same[:3] == [k for k in body][:3] and 0 < len(same) < len(body)  # from the image on
    assert card["defense"]["frozen_parameters"] > 0 and card["defense"]["public"]["name"] == "stripes/public-resnet"
    again = trained("tl-dmi(frozen=0.5)", "resnet", replace(RECIPE, epochs=1))[2]
    assert {p.phase for p in again} == {"training images"}


@given(st.floats(0, 1))
def test_layers_are_frozen_up_to_the_share_of_parameters(share):
    layers = [torch.nn.Linear(a, b, bias=False) for a, b in ((2, 5), (5, 4), (4, 10), (10, 10))]  # 10, 20, 40, 100
    held = sum(p.numel() for layer in first_layers(layers, share) for p in layer.parameters())
    assert first_layers(layers, share) == layers[: len(first_layers(layers, share))]
    assert abs(held - share * 170) == min(abs(k - share * 170) for k in (0, 10, 30, 70, 170))


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("named", [True, False])
def test_public_classes_are_read_from_a_folder(tmp_path, monkeypatch, named):
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path))
    monkeypatch.setattr(Stripes, "public_labelled", Scenario.public_labelled)
    folder, drawn = tmp_path / ("strangers" if named else "stripes-classes"), Stripes().drawn(12, 3)
    for k, (image, label) in enumerate(zip(drawn.images, drawn.labels, strict=True)):
        (folder / str(int(label))).mkdir(parents=True, exist_ok=True)
        Image.fromarray((image[0] * 255).byte().numpy()).save(folder / str(int(label)) / f"{k}.png")
    list(
        train_target(
            Stripes(),
            "resnet",
            defense="tl-dmi",
            recipe=replace(RECIPE, epochs=1),
            **({"public": folder, "source": "strangers"} if named else {}),
        )
    )
    card = read_card(public_name("stripes", "resnet"))
    assert (card["num_classes"], card["public_images"]) == (3, 36)
    assert card["data"] == ("strangers" if named else "made up")


@pytest.mark.usefixtures("models")
def test_without_public_classes_transfer_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(Stripes, "public_labelled", Scenario.public_labelled)
    with pytest.raises(DataMissing, match="TL-DMI starts from a resnet of public classes"):
        list(train_target(Stripes(), "resnet", defense="tl-dmi"))


# Shortcuts, erasing, traps


def test_only_a_residual_network_has_shortcuts_to_lose():
    assert "has none" in DEFENSES["rolss"]().problem("cnn") and DEFENSES["rolss"]().problem("resnet") is None
    model = configure(DEFENSES["rolss"], {"skip": 0.01, "blocks": 2}).build(Classifier("resnet", (1, 16, 16), 3))
    assert [block.skip for block in residual_blocks(model)] == [1.0, 1.0, 0.01, 0.01]
    block, x = residual_blocks(model.eval())[-1], torch.rand(2, 96, 4, 4)
    assert torch.allclose(block(x), (block.conv(x) + 0.01 * block.shortcut(x)).relu())


@given(st.integers(0, 99), st.floats(0.05, 0.9))
def test_erasing_takes_one_square_of_at_most_that_share(seed, most):
    found = erased(torch.ones(30, 2, 20, 20), most, torch.zeros(2, 1, 1), torch.Generator().manual_seed(seed))
    gone = found[:, 0] == 0
    assert torch.equal(found[:, 0], found[:, 1])
    for hole in gone:
        rows, columns = hole.any(1).sum().item(), hole.any(0).sum().item()
        assert hole.sum() == rows * columns and abs(rows - columns) <= 1
        assert rows <= (most * 400) ** 0.5 + 1
    assert gone.float().mean() < most


@given(st.integers(1, 60), st.integers(1, 9), st.integers(0, 9))
def test_triggers_of_every_class_are_drawn_alike_and_apart_from_the_images(n, classes, seed):
    drawn = drawn_classes(n, classes, torch.Generator().manual_seed(seed))
    counts = drawn.bincount(minlength=classes)
    assert len(drawn) == n and counts.max() - counts.min() <= 1


def test_the_target_falls_for_its_triggers_and_an_undefended_one_does_not():
    _, card, _ = trained("trap-mid(blend=0.3)", recipe=replace(RECIPE, epochs=20))
    assert card["defense"]["trigger_success"] > 0.8 and card["heldout_accuracy"] > 0.9
    shaping = configure(DEFENSES["trap-mid"], {"blend": 0.3}).shaping(DefenseSetting(Stripes(), "mlp"))
    model = Classifier("mlp", (1, 16, 16), 3)
    list(shaping.prepare(model))
    list(fit(model, Stripes().private.train, shaping.recipe(replace(RECIPE, epochs=20)), flips=False, shaping=shaping))
    fooled = shaping.success()
    shaping.model = trained("none")[0]
    assert shaping.success() < fooled - 0.3
    assert shaping.triggers.min() >= 0 and shaping.triggers.max() <= 1
    assert torch.allclose(laid_over(torch.zeros(1), torch.ones(1), 0.1), torch.full((1,), 0.1))


# Purifier and adversarial noise


LEARNT = [k for k in OUTPUTS if DEFENSES[k].learns]


@pytest.fixture(scope="module")
def undefended():
    return trained("none")[0]


@pytest.fixture(scope="module", params=LEARNT)
def surrounded(request, undefended):
    """Train what is put around the undefended toy; return its key."""
    list(train_target(Stripes(), "mlp", defense=request.param))
    return request.param


def test_what_is_put_around_a_target_is_trained_beside_it(surrounded, undefended):
    x, name = Stripes().private.heldout.images, release_name("stripes", "mlp", surrounded)
    assert (
        name == f"stripes/target-mlp+{surrounded}"
        and weights_name("stripes", "mlp", surrounded) == "stripes/target-mlp"
    )
    guard = load_target("stripes", "mlp", surrounded)
    scores = guard(x).softmax(1)
    assert torch.equal(scores, load_target("stripes", "mlp", surrounded)(x).softmax(1))
    assert torch.isfinite(scores).all() and torch.equal(scores.argmax(1), undefended(x).argmax(1))
    assert (scores - undefended(x).softmax(1)).abs().max() > 1e-3 and not guard.training
    card = read_card(name)
    assert card["heldout_accuracy"] == pytest.approx(accuracy(undefended, Stripes().private.heldout), abs=1e-4)
    assert card["defense"]["text"] == surrounded and not any(k.startswith("target.") for k in load_weights(name)[0])


def test_what_was_fitted_to_another_target_is_refused(surrounded):
    assert target_problem("stripes", "mlp", surrounded) is None
    card = read_card("stripes/target-mlp")
    amend_card("stripes/target-mlp", card["sha256"], {"sha256": "of another training"})
    try:
        assert "was trained again after" in target_problem("stripes", "mlp", surrounded)
    finally:
        amend_card("stripes/target-mlp", "of another training", {"sha256": card["sha256"]})


@pytest.mark.parametrize("key", LEARNT)
def test_missing_surroundings_say_how_to_train_them(key):
    trained("neg-ls")
    with pytest.raises(DataMissing, match="No weights named"):
        load_target("stripes", "mlp", f"neg-ls+{key}")
    assert target_problem("stripes", "mlp", f"neg-ls+{key}").endswith(
        f"There is no {key} around the mlp for stripes under neg-ls. Train it with: python -m workbench train target "
        f"--arch mlp --scenario stripes --defense neg-ls+{key}"
    )


def test_the_purifier_makes_confidences_of_members_and_others_alike(undefended):
    private, text = Stripes().private, "purifier(divergence=1)"
    list(train_target(Stripes(), "mlp", defense=text))

    def spread(model) -> float:
        """Return how far confidences vary among images, seen and unseen, that get the same label; the mean of labels."""
        sure, labels = torch.cat([model(part.images) for part in (private.train, private.heldout)]).softmax(1).max(1)
        return torch.stack([sure[labels == k].std() for k in range(3)]).mean().item()

    assert spread(load_target("stripes", "mlp", text)) < 0.2 * spread(undefended)


def test_a_queued_training_leaves_the_target_that_it_is_put_around(undefended, monkeypatch):
    monkeypatch.setattr(training_job, "SCENARIOS", {"stripes": Stripes})
    config, before = (
        TrainingConfig("target", "stripes", target="mlp", defense="purifier"),
        read_card("stripes/target-mlp"),
    )
    list(training_job._target_reports(config, torch.device("cpu")))
    assert trained_name(config) == "stripes/target-mlp+purifier" and has_weights(trained_name(config))
    assert read_card("stripes/target-mlp") == before


def test_a_training_with_nothing_to_train_or_to_be_put_around_is_refused(monkeypatch):
    monkeypatch.setattr(trainings, "SCENARIOS", {"stripes": Stripes})
    fresh = partial(TrainingConfig, "target", "stripes", target="cnn")
    assert "nothing to train" in training_problems(fresh(defense="rounding"))[0]
    assert "no trained cnn" in training_problems(fresh(defense="purifier"))[0]
    assert training_problems(fresh(defense="bido")) == []


def test_the_purifier_swaps_labels_of_marked_members_only():
    guard = configure(DEFENSES["purifier"], {"radius": 1e-4}).wrap(Classifier("softmax", (1, 4, 4), 3))
    guard.members = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]])
    guard.swapped = torch.tensor([True, False])
    asked = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.69, 0.21, 0.1]])
    assert guard.labels(asked).tolist() == [1, 1, 0]


def test_adversarial_noise_stays_within_its_budget_and_raises_the_error(undefended):
    list(train_target(Stripes(), "mlp", defense="wen(budget=0.3)"))
    guard, x = load_target("stripes", "mlp", "wen(budget=0.3)"), Stripes().private.heldout.images
    honest = undefended(x).softmax(1)
    moved = guard(x).softmax(1)
    assert ((moved - honest).abs().sum(1) <= 0.3 + 1e-3).all()

    def error(p):
        return (guard.inverse(p) - x).pow(2).mean().item()

    assert error(moved) > error(honest)
    with torch.no_grad():
        assert torch.equal(guard(x), guard(x))


@given(st.integers(0, 999), st.floats(0.01, 2))
def test_within_keeps_simplex_budget_and_winner(seed, budget):
    rng = torch.Generator().manual_seed(seed)
    p, q = torch.rand(2, 6, 4, generator=rng).softmax(2)
    found = within(q, p, p.argmax(1), budget)
    assert torch.allclose(found.sum(1), torch.ones(6), atol=1e-5) and (found >= 0).all()
    assert ((found - p).abs().sum(1) <= budget + 1e-5).all()
    own = found.gather(1, p.argmax(1)[:, None])
    assert (own + 1e-5 >= found).all()


# NetGuard


def white(c: int) -> torch.Tensor:
    """Return the image of class `c` that the known-answer victim is surest of, (1, 8, 8)."""
    small = torch.zeros(1, 1, 4).index_fill(2, torch.tensor([c]), 1.0).view(1, 1, 2, 2)
    return torch.nn.functional.interpolate(small, scale_factor=4)[0]


def test_fakes_are_believed_by_the_target_and_not_by_the_second_opinion():
    victim, prior, how = QuadrantVictim(), LinearPrior().eval(), configure(DEFENSES["netguard"], {"fakes": 4})

    class Other(torch.nn.Module):
        def features(self, x):
            return x.flatten(1) - 0.5

    centres = torch.stack([(white(c) - 0.5).flatten() for c in range(CLASSES)])
    runs = {}
    for unlike in (0.0, 3.0):
        rng = torch.Generator().manual_seed(0)
        *_, (_, _, found) = find_fakes(victim, Other(), prior, centres, replace(how, unlike=unlike), rng)
        labels = torch.arange(CLASSES).repeat_interleave(4)
        sure = victim(found).softmax(1).gather(1, labels[:, None])
        alike = torch.nn.functional.cosine_similarity(Other().features(found), centres[labels])
        runs[unlike] = sure.mean().item(), alike.mean().item()
    assert runs[0.0][0] > 0.9 and runs[3.0][1] < runs[0.0][1] - 0.1


def test_fakes_are_mixed_with_the_images_that_are_replayed():
    shaping = configure(DEFENSES["netguard"], {"strength": 0.5}).shaping(DefenseSetting(Stripes(), "resnet"))
    train = Stripes().private.train
    with pytest.raises(DataMissing, match="no fake that the target believes"):
        shaping.data(train)
    shaping.fakes = Labelled(torch.zeros(2, 1, 16, 16), torch.tensor([0, 1]))
    mixed = shaping.data(train)
    assert torch.equal(mixed.images[: len(train)], train.images) and len(mixed) == len(train) + round(0.5 * len(train))
    assert shaping.recipe(RECIPE).epochs == 2


@pytest.mark.usefixtures("models")
def test_netguard_without_its_parts_says_what_is_missing():
    with pytest.raises(DataMissing, match="NetGuard goes on from the undefended target"):
        list(train_target(Digits(), "resnet", defense="netguard", recipe=RECIPE))
