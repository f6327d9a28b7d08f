"""Attacks on what participants send: their contract, known answers, and what stands in their way."""

from __future__ import annotations

import copy

import pytest
import torch
from conftest import CLASSES, SHAPE, LinearPrior
from torch import nn

from workbench.attacks import ATTACKS, AttackContext
from workbench.attacks.base import FixedControl
from workbench.attacks.gradients.imprint import sorted_out
from workbench.attacks.gradients.inverting_gradients import rate
from workbench.attacks.parts.first_layer import rank_one
from workbench.attacks.parts.label_inference import inferred_labels
from workbench.attacks.parts.on_updates import best_restart, cosine_distance, in_order_of, squared_distance
from workbench.attacks.threats import LETTERS, threat_of
from workbench.core.errors import Incompatible
from workbench.core.knobs import configure, knobs_of
from workbench.core.records import Access, RunState
from workbench.engine.compatibility import notes, problems
from workbench.engine.execute import execute
from workbench.engine.model_cache import ModelCache
from workbench.engine.presets import default_config
from workbench.federated.exchange import Participants, Terms
from workbench.federated.local_steps import LocalSteps, parameters_of, pulled
from workbench.metrics.matched import matched, matching
from workbench.metrics.pixels import psnr
from workbench.runs.run_folder import RunFolder
from workbench.scenarios import SCENARIOS, Labelled
from workbench.targets import Classifier, TargetView

KEYS = [entry.key for entry in ATTACKS if entry.info.on_updates]
every_attack = pytest.mark.parametrize("key", KEYS)
FEW = {"steps": 30, "bins": 200}


class Smooth(nn.Module):
    """A perceptron that can be differentiated twice, begins with a linear layer and has fresh weights of a seed."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 48), nn.Sigmoid(), nn.Linear(48, 32), nn.Sigmoid())
            self.head = nn.Linear(32, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(images))


def photographs(count: int) -> torch.Tensor:
    """Return images (count, 1, 8, 8) of different brightness, smooth and not alike."""
    rng = torch.Generator().manual_seed(3)
    coarse = torch.rand(count, 1, 3, 3, generator=rng) * torch.linspace(0.4, 1.0, count)[:, None, None, None]
    return nn.functional.interpolate(coarse, size=8, mode="bilinear", align_corners=True)


def context_of(
    key: str, classes: tuple[int, ...] = (1, 2), *, restarts: int = 1, seed: int = 0, every: int = 1, **switches
) -> AttackContext:
    info, victim = ATTACKS.entry(key).info, Smooth()
    attack = attack_of(key, **switches)
    truth, labels = photographs(len(classes)), torch.tensor(classes)
    count = min(attack.participants, len(classes))
    batches = [Labelled(truth[p::count], labels[p::count]) for p in range(count)]
    return AttackContext(
        TargetView(victim, info.access, num_classes=CLASSES, input_shape=SHAPE),
        LinearPrior().eval() if info.prior else None,
        labels.repeat_interleave(restarts),
        torch.Generator().manual_seed(seed),
        torch.device("cpu"),
        FixedControl(every),
        restarts=restarts,
        participants=Participants(batches, attack.terms, seed=7),
    )


def attack_of(key: str, **switches):
    entry = ATTACKS.entry(key)
    few = {name: value for name, value in FEW.items() if name in knobs_of(entry.item)}
    return configure(entry.item, {**entry.info.presets["demo"], **few, **switches})


def frames_of(key: str, context: AttackContext, **switches):
    return attack_of(key, **switches).run(context)


# The contract


@every_attack
def test_it_says_what_it_is_and_needs(key):
    info = ATTACKS.entry(key).info
    assert info.threat in LETTERS and info.access is Access.WHITE_BOX and info.summary.endswith(".")
    text = __import__(ATTACKS[key].__module__, fromlist=["x"]).__doc__
    assert "http" in text and "\n\n" in text.strip()
    for values in ({}, *info.presets.values()):
        configure(ATTACKS[key], values)


@every_attack
def test_frames_start_free_stay_in_range_and_end_whether_or_not_anybody_looks(key):
    context = context_of(key, restarts=2)
    frames = list(frames_of(key, context))
    assert frames[0].step == 0 and frames[0].queries == 0 and frames[-1].step == frames[-1].total
    for frame in frames:
        assert frame.payload.images.shape == (4, *SHAPE)
        assert frame.payload.images.min() >= 0 and frame.payload.images.max() <= 1
        assert all(loss.shape == (4,) and torch.isfinite(loss).all() for loss in frame.losses.values())
    unwatched = list(frames_of(key, context_of(key, restarts=2, every=10**9)))
    assert torch.equal(unwatched[-1].payload.images, frames[-1].payload.images)
    assert frames[-1].queries > 0 and frames[-1].note


@every_attack
def test_a_seed_decides_it_and_the_global_generator_is_left_alone(key):
    before = torch.get_rng_state()
    first, again, other = ([*frames_of(key, context_of(key, seed=s))] for s in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first[-1].payload.images, again[-1].payload.images)
    assert not torch.equal(first[0].payload.images, other[0].payload.images)


@every_attack
def test_the_model_is_left_untouched(key):
    context = context_of(key, mode="train")
    inside = context.target._TargetView__model
    before, modes = copy.deepcopy(inside.state_dict()), [m.training for m in inside.modules()]
    list(frames_of(key, context, mode="train"))
    assert all(torch.equal(before[name], value) for name, value in inside.state_dict().items())
    assert modes == [m.training for m in inside.modules()]
    assert not any(p.requires_grad or p.grad is not None for p in inside.parameters())


def test_outside_a_federated_setting_nobody_answers():
    context = AttackContext(
        TargetView(Smooth(), Access.WHITE_BOX, num_classes=CLASSES, input_shape=SHAPE),
        None,
        torch.tensor([0]),
        torch.Generator(),
        torch.device("cpu"),
        FixedControl(),
    )
    with pytest.raises(Incompatible, match="nobody sends anything"):
        list(frames_of("dlg", context))


# Known answers


def quality(key: str, classes: tuple[int, ...] = (1,), restarts: int = 1, **switches) -> list[float]:
    *_, last = frames_of(key, context_of(key, classes, restarts=restarts, **switches), **switches)
    truth = photographs(len(classes)).repeat_interleave(restarts, 0)
    return matched(last.payload.images, truth, restarts, last.payload.kept)["psnr"]


def test_closed_form_is_exact():
    assert quality("closed-form") > [100.0]


@pytest.mark.parametrize("key", ["dlg", "idlg", "inverting-gradients"])
def test_a_search_finds_the_image_of_a_smooth_model(key):
    steps = 400 if key == "inverting-gradients" else 150
    more = {"smoothness": 1e-4} if key == "inverting-gradients" else {}
    start = psnr(next(frames_of(key, context_of(key, (1,)))).payload.images, photographs(1)).item()
    assert quality(key, steps=steps, **more)[0] > max(25.0, start + 10)


def test_a_search_finds_the_image_of_the_network_without_batch_norm():
    rng = torch.Generator().manual_seed(0)
    truth = nn.functional.interpolate(torch.rand(1, 1, 4, 4, generator=rng), size=16, mode="bilinear")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Classifier("convnet", (1, 16, 16), CLASSES)
    attack = configure(ATTACKS["inverting-gradients"], {"steps": 150, "smoothness": 1e-3})
    context = AttackContext(
        TargetView(model, Access.WHITE_BOX, num_classes=CLASSES, input_shape=(1, 16, 16)),
        None,
        torch.tensor([1]),
        torch.Generator().manual_seed(0),
        torch.device("cpu"),
        FixedControl(10**9),
        participants=Participants([Labelled(truth, torch.tensor([1]))], attack.terms, seed=7),
    )
    *_, last = attack.run(context)
    assert psnr(last.payload.images, truth).item() > 25


def test_a_search_in_latents_comes_as_near_as_the_prior_can():
    context = context_of("gias", (1,))
    first, *_, last = frames_of("gias", context, steps=150)
    truth = photographs(1)
    assert psnr(last.payload.images, truth) > psnr(first.payload.images, truth) + 1
    assert last.losses["gradient distance"] < 0.5 * frames_after(first)


def frames_after(first):
    """Return the distance of the start, which no frame tells, since it is shown before the update came."""
    model, truth = Smooth(), photographs(1)
    ours, theirs = (
        pulled(model, parameters_of(model), images, torch.tensor([1]), LocalSteps())
        for images in (first.payload.images, truth)
    )
    return cosine_distance(ours, theirs)


def test_the_imprint_passes_through_a_sum_of_participants():
    found = quality("imprint", (0, 1, 2, 3), participants=4, bins=500)
    assert min(found) > 60


def test_noise_and_pruning_and_clipping_are_what_the_participants_do():
    assert quality("closed-form", noise=0.5)[0] < 40 < quality("closed-form")[0]
    model, images = Smooth(), photographs(1)
    batch = [Labelled(images, torch.tensor([1]))]

    def sent(**agreed):
        return torch.cat([v.flatten() for v in Participants(batch, Terms(**agreed)).answer(model).values()])

    plain = sent()
    assert torch.allclose(sent(clip=plain.norm().item() / 4), plain / 4, atol=1e-7)
    assert (sent(pruned=0.9) != 0).float().mean() == pytest.approx(0.1, abs=0.01)
    assert (sent(noise=0.1) - plain).std() / plain.square().mean().sqrt() == pytest.approx(0.1, rel=0.1)


def test_several_steps_are_the_way_that_they_went():
    model, images, labels = Smooth(), photographs(2), torch.tensor([1, 2])
    local = LocalSteps(steps=3, lr=0.2)
    told = pulled(model, parameters_of(model), images, labels, local)
    walked = copy.deepcopy(model)
    optimiser = torch.optim.SGD(walked.parameters(), local.lr)
    for _ in range(local.steps):
        optimiser.zero_grad()
        nn.functional.cross_entropy(walked(images), labels).backward()
        optimiser.step()
    for (name, before), after in zip(model.named_parameters(), walked.parameters(), strict=True):
        assert torch.allclose(told[name], (before - after) / local.lr, atol=1e-5)


@pytest.mark.parametrize("labels", [[2], [0, 3], [1, 1, 3], [0, 1, 2, 3]])
def test_labels_are_read_from_the_last_layer(labels):
    model, targets = Smooth(), torch.tensor(labels)
    update = Participants([Labelled(photographs(len(labels)), targets)]).answer(model)
    usual = model(torch.rand(64, *SHAPE)).softmax(1).mean(0).detach()
    assert inferred_labels(model, update, len(labels), usual).tolist() == labels


def test_labels_are_read_from_a_model_that_has_decided():
    model, images, targets = Smooth(), photographs(4), torch.tensor([0, 1, 2, 3])
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(120):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(images), targets).backward()
        optimiser.step()
    batch = Labelled(images[[1, 3, 3]], targets[[1, 3, 3]])
    usual = model(torch.rand(64, *SHAPE, generator=torch.Generator().manual_seed(0))).softmax(1).mean(0).detach()
    assert inferred_labels(model, Participants([batch]).answer(model), 3, usual).tolist() == [1, 3, 3]


def test_labels_stand_where_their_candidates_do():
    assert in_order_of(torch.tensor([0, 1, 4]), torch.tensor([1, 3, 0])).tolist() == [1, 4, 0]


# Formulas


def test_distances_and_rates_are_those_of_the_papers():
    a, b = {"w": torch.tensor([3.0, 0.0])}, {"w": torch.tensor([0.0, 4.0])}
    assert cosine_distance(a, b) == 1 and cosine_distance(a, {"w": 5 * a["w"]}) == pytest.approx(0)
    assert squared_distance(a, b) == 25
    assert [rate(1.0, step, 80) for step in (30, 31, 51, 71)] == pytest.approx([1, 0.1, 0.01, 0.001])
    assert best_restart(torch.tensor([0.3, 0.1]), 2).tolist() == [False, True, False, True]


def test_a_linear_layer_and_an_imprint_are_solved():
    x, b = torch.rand(5, dtype=torch.float64), torch.tensor([0.5, -2.0, 0.0], dtype=torch.float64)
    assert torch.allclose(rank_one(b[:, None] * x, b), x)
    images = torch.tensor([[0.2, 0.3], [0.7, 0.8]], dtype=torch.float64)
    thresholds = torch.arange(10, dtype=torch.float64) / 10
    over = (images.mean(1)[:, None] > thresholds).double()
    found, bins = sorted_out(over.T @ images, over.sum(0), 2)
    assert bins == 2 and torch.allclose(found.sort(0).values, images)


def test_pairs_are_matched_whatever_their_order():
    truth = photographs(3)
    assert matching(truth[[2, 0, 1]], truth).tolist() == [2, 0, 1]
    assert min(matched(truth[[2, 0, 1]], truth, 1)["psnr"]) == 200.0
    twice = truth.repeat_interleave(2, 0)
    spoilt = twice.clone()
    spoilt[0::2] = 0.5
    kept = torch.tensor([False, True]).repeat(3)
    assert min(matched(spoilt, twice, 2, kept)["psnr"]) == 200.0, "the restart that the attack kept is judged"


# In the workbench


def test_what_does_not_fit_is_said_before_anything_runs():
    assert "first layer is linear" in problems(default_config("digits", "closed-form", target="resnet"))[0]
    assert not problems(default_config("digits", "closed-form", target="mlp"))
    known = notes(default_config("digits", "inverting-gradients", target="cnn", knobs={"labels": "known"}))
    assert known[0].startswith("Threat B:") and "upper bound" in known[1]


@pytest.mark.parametrize(
    ("switches", "letter"), [({}, "A"), ({"local_steps": 4}, "C"), ({"local_steps": 4, "labels": "known"}, "C")]
)
def test_switches_raise_the_threat(switches, letter):
    assert threat_of(ATTACKS.entry("idlg").info, attack_of("idlg", **switches), 1).letter == letter


def test_a_run_shows_the_batch_and_says_how_near_each_image_was_found(tmp_path, monkeypatch):
    monkeypatch.setattr(ModelCache, "evaluation", lambda self, scenario: None)  # the judges have tests of their own
    config = default_config("digits", "closed-form", target="mlp", classes=[3])
    folder = RunFolder.fresh(tmp_path / "run", config, SCENARIOS["digits"].input_shape)
    assert execute(config, folder, ModelCache("cpu")) is RunState.FINISHED
    found = folder.manifest()["matched"]
    assert found["psnr"][0] >= 60 and found["ssim"][0] > 0.999
