"""A network cut in two: where it can be cut, what the server may ask, and what the attacks get out of a hidden layer."""

from __future__ import annotations

import random
import re
from contextlib import suppress
from dataclasses import replace

import pytest
import torch
from conftest import LinearPrior
from torch import Tensor, nn

from workbench.analysis.split_layers import described, first_layer, layered, newest_of
from workbench.attacks import ATTACKS, AttackContext
from workbench.attacks.base import FixedControl
from workbench.attacks.parts.public_images import PublicImages
from workbench.attacks.split.parts.evolution import estimated_slope
from workbench.attacks.split.parts.gap import gap
from workbench.attacks.split.parts.shadow import moments, unlikeness
from workbench.core.errors import AccessDenied, BudgetSpent, Incompatible
from workbench.core.knobs import configure, knobs_of
from workbench.core.records import Access, Recovers, RunConfig, RunState
from workbench.defenses import DEFENSES
from workbench.defenses.plan import Plan
from workbench.engine.compatibility import problems
from workbench.engine.execute import execute
from workbench.engine.model_cache import ModelCache
from workbench.engine.presets import default_config
from workbench.engine.split import cuts_in, pictures_of, sent_by, split_model, utility
from workbench.metrics import METRICS
from workbench.metrics.base import Judged
from workbench.metrics.pixels import psnr
from workbench.runs.run_folder import RunFolder
from workbench.runs.store import RunStore
from workbench.scenarios import SCENARIOS
from workbench.scenarios.base import Labelled
from workbench.targets.architectures import Classifier
from workbench.targets.split import Intercepted, SplitModel, SplitView, cut_named, cuts_of

SHAPE, CLASSES = (1, 8, 8), 3
KEYS = [entry.key for entry in ATTACKS if entry.info.recovers is Recovers.PICTURE]
every_attack = pytest.mark.parametrize("key", KEYS)
FEW = {"steps": 40, "queries": 256, "epochs": 12, "training": 10, "pairs": 20, "width": 8}
GUARDS = [entry.key for entry in DEFENSES if entry.info.stage == "split"]


def network(arch: str = "cnn", shape: tuple[int, int, int] = SHAPE) -> Classifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Classifier(arch, shape, CLASSES).eval().requires_grad_(False)


def pictures(count: int, seed: int = 3) -> Tensor:
    """Return pictures that the known-answer prior draws, (count, 1, 8, 8)."""
    prior = LinearPrior()
    return prior.decode(prior.sample(count, torch.Generator().manual_seed(seed)))


def context(key: str, *, layer: str = "conv1", access: Access | None = None, budget: int | None = None, seed: int = 0):
    """Return what attack `key` is given of three pictures behind a small network with random weights, and the pictures."""
    info, model = ATTACKS.entry(key).info, network()
    split, truth = SplitModel(model, cut_named(cuts_of(model), layer, "cnn")), pictures(3)
    view = SplitView(split, access or info.access, num_classes=CLASSES, input_shape=SHAPE, budget=budget)
    known = Labelled(pictures(60, 4), torch.arange(60) % CLASSES) if info.labelled else None
    return AttackContext(
        target=view,
        prior=LinearPrior().eval() if info.prior else None,
        classes=torch.arange(3),
        rng=torch.Generator().manual_seed(seed),
        device=torch.device("cpu"),
        control=FixedControl(),
        public=PublicImages.at_hand(pictures(128, 5), "asks about drawings") if info.public else None,
        split=Intercepted(view, sent_by(split, truth, 0), known),
    ), truth


def quick(key: str, layer: str = "conv1"):
    entry = ATTACKS.entry(key)
    few = {name: value for name, value in FEW.items() if name in knobs_of(entry.item)}
    return configure(entry.item, {**entry.info.presets["demo"], **few, "layer": layer})


# Where a network can be cut


def test_layers_are_counted_from_the_image_down_and_end_in_embedding_and_logits():
    names = [cut.name for cut in cuts_of(network())]
    assert names[:4] == ["conv1", "relu1", "pool1", "conv2"] and names[-3:] == ["fc1", "embedding", "logits"]
    assert [cut.name for cut in cuts_of(network("softmax"))] == ["logits"], "its features are the pixels"
    resnet = {cut.name: cut for cut in cuts_of(network("resnet"))}
    assert {"block1", "block4"} <= set(resnet) and "conv2" not in resnet, "a shortcut leads around it"
    assert resnet["block1"].spatial and not resnet["embedding"].spatial


@pytest.mark.parametrize("arch", ["cnn", "resnet", "mlp"])
def test_both_halves_together_are_the_whole_wherever_it_is_cut(arch):
    model, images = network(arch), pictures(4)
    for cut in cuts_of(model):
        split = SplitModel(model, cut)
        sent = split.client(images)
        assert sent.shape == (4, *cut.shape)
        assert torch.allclose(split.server(sent), model(images), atol=1e-5), cut.name
    assert not any(module._forward_hooks for module in model.modules())


class Bypassed(nn.Module):
    """A body whose second layer's output is not all that comes after sees."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(1, 2, 3, 1, 1), nn.Conv2d(2, 2, 3, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        first = self.one(images)
        return (first + self.two(first)).mean((2, 3))


def test_a_layer_that_something_goes_around_is_no_cut():
    model = network()
    model.body, model.head = Bypassed().eval().requires_grad_(False), nn.Linear(2, CLASSES).requires_grad_(False)
    assert [cut.name for cut in cuts_of(model)] == ["conv1", "embedding", "logits"]


def test_a_network_that_answers_at_random_can_be_cut():
    assert cuts_in((1, 32, 32), 5, "cnn", "mid")[0].name == "conv1"


# The threat model


def test_a_view_grants_what_its_access_says_and_counts():
    model = network()
    split, images = SplitModel(model, cuts_of(model)[0]), pictures(2).requires_grad_()

    def view(access: Access) -> SplitView:
        return SplitView(split, access, num_classes=CLASSES, input_shape=SHAPE)

    inside, asking, alone = view(Access.WHITE_BOX), view(Access.FEATURES), view(Access.SERVER)
    assert inside.activations(images).requires_grad and not asking.activations(images).requires_grad
    assert inside.queries == asking.queries == 2
    with pytest.raises(AccessDenied, match="asked the target for activations"):
        alone.activations(images)
    sent = split.client(images).detach().requires_grad_()
    assert alone.server(sent).requires_grad and alone.queries == 0
    with pytest.raises(AccessDenied):
        SplitView(split, Access.SCORES, num_classes=CLASSES, input_shape=SHAPE).server(sent)


@every_attack
def test_with_less_access_than_it_needs_it_is_refused(key):
    given, _ = context(key, access=Access.LABEL)
    with pytest.raises(AccessDenied, match="asked the target for"):
        list(quick(key).run(given))


# The contract of an attack


@every_attack
def test_frames_are_pictures_from_the_start_to_the_last_step(key):
    given, _ = context(key)
    before = {name: value.clone() for name, value in given.target._TargetView__model.state_dict().items()}
    states = torch.get_rng_state(), random.getstate()
    frames = list(quick(key).run(given))
    assert torch.equal(states[0], torch.get_rng_state()) and states[1] == random.getstate()
    assert frames[0].step == 0 == frames[0].queries and frames[-1].step == frames[-1].total
    assert [f.step for f in frames] == sorted({f.step for f in frames})
    for frame in frames:
        images = frame.payload.images
        assert images.shape == (3, *SHAPE) and images.min() >= 0 and images.max() <= 1 and not images.requires_grad
        assert all(value.shape == (3,) and torch.isfinite(value).all() for value in frame.losses.values())
        assert not any("," in name for name in frame.losses), "a curve's name is a column's in a file of commas"
    assert frames[-1].queries == given.target.queries
    after = given.target._TargetView__model
    assert all(torch.equal(before[name], value) for name, value in after.state_dict().items())
    assert not any(module._forward_hooks for module in after.modules())


@every_attack
def test_a_seed_decides_the_outcome_and_looking_on_does_not(key):
    given, again = context(key)[0], replace(context(key)[0], control=FixedControl(every=10**9))
    *_, one = quick(key).run(given)
    *_, other = quick(key).run(again)
    assert torch.equal(one.payload.images, other.payload.images)


@every_attack
def test_the_budget_is_never_exceeded(key):
    given, _ = context(key, budget=7)
    with suppress(BudgetSpent):
        list(quick(key).run(given))
    assert given.target.queries <= 7


BLIND = {"query-free"}  # against random weights a shadow learns nothing of the client's half


@every_attack
def test_it_comes_nearer_to_the_true_pictures_than_grey_does(key):
    given, truth = context(key)
    *_, last = quick(key).run(given)
    grey = psnr(torch.full_like(truth, 0.5), truth)
    if key not in BLIND:
        assert psnr(last.payload.images, truth).mean() > grey.mean() + 3
    else:
        assert last.losses["activation gap"].mean() < 1


@pytest.mark.parametrize("key", ["rmle", "inverse-network", "ginver-wb"])
def test_a_layer_that_is_no_map_is_inverted_as_well(key):
    given, truth = context(key, layer="fc1")
    *_, last = quick(key, "fc1").run(given)
    assert last.payload.images.shape == truth.shape and torch.isfinite(last.payload.images).all()


def test_an_attack_on_a_layer_is_told_where_nothing_is_cut():
    given, _ = context("rmle")
    with pytest.raises(Incompatible, match="not cut in two"):
        next(quick("rmle").run(replace(given, split=None)))


# Formulas


def test_the_gap_is_in_shares_of_the_spread():
    sent = torch.tensor([[0.0, 2.0, 4.0, 6.0]])  # variance 20/3
    assert gap(sent + 1, sent).item() == pytest.approx(3 / 20)


@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 8, 8)])
def test_a_shadow_with_a_channel_turned_round_is_unlike_the_clients_half(shape):
    """Means and deviations, channel by channel, are the same; how channels vary together is not."""
    sent = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    sent[:, 1] = sent[:, 0] + 0.1 * sent[:, 1]
    mean = sent[:, :1].mean([0, *range(2, sent.dim())], keepdim=True)
    turned = torch.cat([2 * mean - sent[:, :1], sent[:, 1:]], 1)
    assert torch.allclose(moments(turned), moments(sent), atol=1e-5)
    assert unlikeness(sent, sent).item() == pytest.approx(0, abs=1e-6)
    assert unlikeness(turned, sent) > 0.3


def test_a_shadow_that_sees_the_picture_mirrored_is_unlike_the_clients_half():
    sent = torch.arange(8.0).expand(4, 3, 8, 8)
    assert torch.allclose(moments(sent.flip(3)), moments(sent))
    assert unlikeness(sent.flip(3), sent) > 1


def test_the_slope_is_that_of_opposite_pairs():
    points, weights = torch.zeros(2, 3), torch.tensor([[1.0, 2.0, 3.0], [-1.0, 0.0, 1.0]])

    def worth(tried: Tensor, owners: Tensor) -> Tensor:
        return (tried * weights[owners]).sum(1) + 5 + owners

    slope, level = estimated_slope(
        worth, points, pairs=6, sigma=0.1, rng=torch.Generator().manual_seed(0), at_once=4096
    )
    rng = torch.Generator().manual_seed(0)
    directions = torch.stack([torch.randn(2, 3, generator=rng) for _ in range(6)])
    along = (directions * weights).sum(2, keepdim=True)  # what a step in each direction is worth
    assert torch.allclose(slope, (along * directions).mean(0), atol=1e-3)
    assert torch.allclose(level, torch.tensor([5.0, 6.0]), atol=1e-4)
    in_parts, _ = estimated_slope(worth, points, pairs=6, sigma=0.1, rng=torch.Generator().manual_seed(0), at_once=4)
    assert torch.allclose(in_parts, slope, atol=1e-3)


# What a page shows of every layer


def test_every_layer_is_shown_with_its_newest_run(tmp_path):
    store = RunStore(tmp_path)
    layers = layered("digits", "rmle", "cnn")
    configs = {cut.name: config for cut, config in layers}
    assert list(configs)[:3] == ["conv1", "relu1", "pool1"] and first_layer("template") == "embedding"
    old = store.create(configs["pool1"], owner="", shape=(1, 32, 32))
    new = store.create(configs["pool1"], owner="", shape=(1, 32, 32))
    store.create(replace(configs["conv1"], defense="split-noise"), owner="", shape=(1, 32, 32))
    store.update(new.id, RunState.FAILED, reason="No.")
    found = newest_of(store, layers)
    assert {name: folder.id for name, folder in found.items()} == {"pool1": new.id} and old.id != new.id
    told = [described(cut, found.get(cut.name)) for cut, _ in layers]
    assert [layer["state"] for layer in told[:3]] == ["missing", "missing", "failed"] and told[2]["reason"] == "No."
    assert told[2]["n"] == 5, "one picture of each class, however many places a sheet has"
    for wrong in (("digits", "gmi", "cnn"), ("digits", "rmle", "facenet")):
        with pytest.raises(Incompatible):
            layered(*wrong)


# Guards


@pytest.mark.parametrize("key", GUARDS)
def test_a_guard_changes_what_is_sent_and_keeps_its_shape(key):
    examples = torch.randn(40, 6, 5, 5, generator=torch.Generator().manual_seed(0))
    guard = DEFENSES[key]().guard(examples).eval()
    sent = guard(examples)
    assert sent.shape == examples.shape and not torch.equal(sent, examples)
    assert DEFENSES.entry(key).info.random == (not torch.equal(sent, guard(examples)))


def test_guards_are_their_formulas():
    examples = torch.randn(60, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 3
    noise = DEFENSES["split-noise"](deviation=0.5).guard(examples)(examples) - examples
    assert noise.std().item() == pytest.approx(0.5 * examples.std().item(), rel=0.02)
    dropped = DEFENSES["split-dropout"](share=0.25).guard(examples)(examples)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.25, abs=0.02)
    kept = dropped != 0
    assert torch.allclose(dropped[kept], examples[kept] / 0.75)
    low = DEFENSES["split-low-rank"](rank=5).guard(examples)
    projected = low(examples).flatten(1)
    assert torch.linalg.matrix_rank(projected - projected.mean(0), rtol=1e-4) == 5
    assert torch.allclose(low(low(examples)), low(examples), atol=1e-3), "a projection"


def test_a_plan_has_one_guard_beside_the_other_defenses():
    plan = Plan.of("bido+split-noise(deviation=2)+rounding")
    assert plan.split.defense.deviation == 2 and str(plan) == "bido+rounding+split-noise(deviation=2)"
    assert plan.trained_under == Plan.of("bido").trained_under
    with pytest.raises(Incompatible, match="both act at a split"):
        Plan.of("split-noise+split-dropout")


# Runs


def test_a_run_inverts_what_held_out_pictures_send(tmp_path, monkeypatch):
    few = {"layer": "conv2", "queries": 192, "epochs": 2}
    config = default_config("digits", "inverse-network", knobs=few, classes=[3, 1], restarts=2, device="cpu")
    assert config.target == "cnn" and problems(config) == []
    folder, cache = RunFolder.fresh(tmp_path / "run", config, (1, 32, 32)), ModelCache("cpu")
    monkeypatch.setattr(cache, "evaluation", lambda scenario: None)  # judging is tested by itself
    monkeypatch.setattr(cache, "baseline_prior", lambda scenario: None)
    assert execute(config, folder, cache) is RunState.FINISHED
    place = cache.scenario("digits")
    truth, heldout = pictures_of(place, torch.tensor([3, 3, 1, 1]), 2), place.private.heldout
    assert torch.equal(truth, torch.cat([heldout.of_class(3)[:2], heldout.of_class(1)[:2]]))
    found = psnr(folder.result()["images"], truth).mean()
    assert found > psnr(heldout.images.mean(0, keepdim=True).expand_as(truth), truth).mean(), "no nearer than the mean"
    assert folder.manifest()["queries"] == 192 and (folder.path / "truth.webp").is_file()
    rows = torch.randperm(len(heldout), generator=torch.Generator().manual_seed(0))[:60]
    plain, guarded = (split_model(replace(config, defense=text), cache) for text in ("none", "split-low-rank(rank=1)"))
    shares = [utility(model, heldout.images[rows], heldout.labels[rows]) for model in (plain, guarded)]
    assert shares[0] > 0.9 > shares[1], "one direction cannot hold five digits"


def test_measures_against_the_true_picture_are_those_of_pairs_and_say_nothing_of_classes():
    images, truth = pictures(3), pictures(3, 9)
    judged = Judged(images, torch.arange(3), None, truth=truth)
    assert torch.equal(METRICS["recovered_psnr"](judged), psnr(images, truth))
    assert METRICS["recovered_ssim"](judged).shape == (3,)
    order = torch.tensor([2, 0])
    judged.__dict__.update(features=torch.zeros(3, 1), logits=torch.zeros(3, 1))
    assert torch.equal(METRICS["recovered_psnr"](judged.rows(order)), psnr(images, truth)[order])
    assert METRICS["recovered_psnr"](Judged(images, torch.arange(3), None)) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"knobs": {"layer": "conv9"}}, r"no layer 'conv9' to be cut at. It can be cut after: conv1, relu1"),
        ({"knobs": {"layer": ""}}, "no layer ''"),
        ({"target": "softmax", "knobs": {"layer": "conv1"}}, "It can be cut after: logits"),
        ({"asks": 3}, "asks=3 has no meaning here"),
        ({"target": "onnx:mine"}, "cannot be cut in two"),
        ({"attack": "mi-face", "knobs": {}, "defense": "split-noise"}, "guards what a client sends"),
    ],
    ids=str,
)
def test_what_cannot_be_cut_is_refused_before_any_work(changes, said):
    config = default_config("digits", "rmle", classes=[0])
    assert problems(config) == []
    found = " ".join(problems(replace(config, **changes)))
    assert re.search(said, found), found


def test_every_layer_of_every_shipped_target_can_be_named():
    for scenario, arch in (("digits", "cnn"), ("digits", "resnet"), ("faces", "facenet")):
        place = SCENARIOS[scenario]
        for cut in cuts_in(place.input_shape, place().num_classes, arch):
            config = RunConfig(scenario, "rmle", arch, classes=(0,), knobs={"layer": cut.name})
            assert problems(config) == []
