"""The judge who knows public classes too and can say none of these: its training in small, and what it is asked."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.core.errors import DataMissing
from workbench.core.weights import read_card
from workbench.metrics.base import Judged
from workbench.metrics.panel_verdict import verdict_of
from workbench.priors import load_prior
from workbench.recognisers import RECOGNISERS, Card, KnowsPublicClasses
from workbench.recognisers.evaluator import Evaluator
from workbench.recognisers.nothing import blobs, blurred, gratings, mixed, noise, nothing, scrambled, shuffled
from workbench.recognisers.open_set import OpenSetClassifier
from workbench.recognisers.open_set_training import OpenSetShaping, train_open_set
from workbench.scenarios import SCENARIOS, Labelled
from workbench.targets.training import ClassifierRecipe

SHAPE = (1, 32, 32)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def digits() -> Labelled:
    held = SCENARIOS["digits"]().private.heldout
    return Labelled(held.images[::8][:60], held.labels[::8][:60])


# Pictures of nothing


@pytest.mark.parametrize("make", [noise, gratings, blobs])
def test_made_up_pictures_are_pictures_and_no_two_alike(make):
    for shape in (SHAPE, (3, 64, 64)):
        found = make(12, shape, rng())
        assert found.shape == (12, *shape) and found.min() >= 0 and found.max() <= 1
        assert torch.equal(found, make(12, shape, rng())), "they follow the generator"
        assert len({picture.numpy().tobytes() for picture in found}) > 8


def test_scrambled_pictures_are_as_fine_and_show_something_else(digits):
    found = scrambled(digits.images, rng())
    apart = (found - digits.images).flatten(1).norm(dim=1) / digits.images.flatten(1).norm(dim=1)
    assert found.shape == digits.images.shape and apart.min() > 0.3


def test_shuffled_pictures_have_the_same_pixels_elsewhere(digits):
    found = shuffled(digits.images, rng())
    assert torch.equal(found.flatten(1).sort(1).values, digits.images.flatten(1).sort(1).values)
    assert (found != digits.images).flatten(1).any(1).all()


def test_mixtures_are_of_two_classes(digits):
    images = digits.labels[:, None, None, None] / 10 + torch.zeros(1, *SHAPE)
    found = mixed(images, digits.labels, rng())
    levels = found.flatten(1)[:, 0] * 10
    assert len(found) > 30 and not torch.isclose(levels, levels.round(), atol=1e-3).all()
    assert len(mixed(images, torch.zeros(len(images)), rng())) == 0


def test_a_batch_of_nothing_is_as_large_as_asked_for(digits):
    for n in (2, 64):
        assert nothing(digits.images, digits.labels, n, rng()).shape == (n, *SHAPE)
    assert blurred(digits.images).shape == digits.images.shape
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workbench.recognisers.nothing.mixed", lambda *_: pytest.fail("no mixtures were asked for"))
        assert len(nothing(digits.images, digits.labels, 20, rng(), mixtures=False)) == 20


def test_blur_tells_nothing_from_something_no_more(digits, monkeypatch):
    """What is blurred in a batch is real images and nothings alike."""
    fine, nobody, seen = noise(20, SHAPE, rng(1)), noise(10, SHAPE, rng(2)), []
    monkeypatch.setattr("workbench.recognisers.open_set_training.nothing", lambda *_: nobody.clone())

    class Looks(torch.nn.Module):
        def forward(self, images):
            seen.append(images.clone())
            return torch.zeros(len(images), 11)

    shaping = OpenSetShaping(digits, 10, digits.images[:0], digits.images[:0], ClassifierRecipe(epochs=1), ready=1.0)
    for _ in range(8):
        shaping.loss(Looks(), fine, torch.zeros(20, dtype=torch.long), 0.0)
    changed = (torch.stack(seen) != torch.cat([fine, nobody])).flatten(2).any(2).float()
    for part in (changed[:, :20], changed[:, 20:]):
        assert 0.1 < part.mean() < 0.6


# What it says


class Sums(torch.nn.Module):
    """Three classes and none: a picture's brightness says which."""

    num_classes = 4

    def __init__(self) -> None:
        super().__init__()
        self.head = torch.nn.Identity()
        self.head.register_parameter("weight", torch.nn.Parameter(torch.zeros(1)))

    def features(self, images):
        level = images.mean((1, 2, 3))[:, None]
        return -400 * (level - torch.tensor([0.2, 0.4, 0.6, 0.8])).square()


@pytest.fixture
def judge() -> OpenSetClassifier:
    return OpenSetClassifier(Evaluator(Sums().eval()), 2, ("seven",), Card("everything"), 0.5, 0.0)


def grey(*levels: float) -> torch.Tensor:
    return torch.tensor(levels)[:, None, None, None].expand(-1, *SHAPE).clone()


def test_private_classes_are_scored_and_what_is_left_belongs_to_others(judge):
    scores = judge.scores(grey(0.2, 0.4, 0.6, 0.8))
    assert scores.shape == (4, 2) and scores.argmax(1)[:2].tolist() == [0, 1]
    assert (scores.amax(1) >= judge.threshold).tolist() == [True, True, False, False]
    assert judge.others(grey(0.2, 0.6, 0.8)) == [None, "seven", None]


def test_a_seven_is_no_one_and_the_verdict_says_what_it_is(judge):
    assert isinstance(judge, KnowsPublicClasses)

    class Context:
        evaluator = None

    found = verdict_of(judge, Judged(grey(0.2, 0.6, 0.8), torch.tensor([0, 1, 1]), Context()))
    assert found.choice == [0, None, None] and found.others == [None, "seven", None]
    assert found.right == [True, False, False]


def test_samples_of_a_prior_are_read_or_refused_by_what_they_look_like(digits):
    class Reads(torch.nn.Module):
        """Sure of bright pictures, at a loss with dark ones."""

        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.tensor(20.0))

        def forward(self, images):
            level = images.mean((1, 2, 3))
            return torch.stack([level * self.scale, 0 * level, 50 + 0 * level], 1)  # "nothing" is ignored

    samples, far = torch.cat([grey(0.9, 0.8), grey(0.001)]), grey(0.5)
    recipe = ClassifierRecipe(epochs=2)
    shaping = OpenSetShaping(digits, 2, samples, far, recipe, ready=0.5)
    model = Reads()
    shaping.mode(model)
    assert len(shaping.read) == 0 and torch.equal(shaping.refused, far), "it cannot read yet"
    shaping.mode(model)
    assert shaping.read.labels.tolist() == [0, 0] and torch.equal(shaping.read.images, samples[:2])
    assert torch.equal(shaping.refused, torch.cat([far, samples[2:]])) and model.training
    loss = shaping.loss(model, digits.images[:8], torch.zeros(8, dtype=torch.long), 0.5)
    assert loss.shape == () and torch.isfinite(loss)


# All classes


def test_all_ten_digits_private_ones_first():
    scenario = SCENARIOS["digits"]()
    split, names = scenario.all_classes()
    assert names[:5] == scenario.class_names and names[7] == "seven"
    assert split.train.labels.unique().tolist() == list(range(10)) == split.heldout.labels.unique().tolist()


def test_digits_are_read_from_keras_file_and_the_private_ones_are_among_them(tmp_path):
    rows = np.arange(30, dtype=np.uint8)
    images = np.broadcast_to(rows[:, None, None], (30, 28, 28))
    np.savez(tmp_path / "mnist.npz", x_train=images, y_train=rows % 10, x_test=images[:10], y_test=rows[:10])
    scenario = SCENARIOS["digits"]()
    split, _ = scenario.all_classes(tmp_path / "mnist.npz")
    own = scenario.private.all
    assert len(split.train) == 30 + len(own) and len(split.heldout) == 10
    assert split.train.images.shape[1:] == SHAPE and torch.equal(split.train.images[30:], own.images)
    (tmp_path / "other.npz").write_bytes(b"no such file")
    with pytest.raises(DataMissing, match="Keras"):
        scenario.all_classes(tmp_path / "other.npz")


def test_a_small_training_makes_a_judge_who_can_say_no(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path))
    scenario = SCENARIOS["digits"]()
    split, names = scenario.all_classes()
    few = [
        torch.cat([(part.labels == c).nonzero()[:n, 0] for c in range(10)])
        for part, n in ((split.train, 20), (split.heldout, 2))
    ]
    small = type(split)(
        *(Labelled(part.images[i], part.labels[i]) for part, i in zip((split.train, split.heldout), few, strict=True))
    )
    monkeypatch.setattr("workbench.recognisers.open_set_training.NOTHINGS", 100)
    monkeypatch.setattr(type(scenario), "all_classes", lambda self, data=None: (small, names))
    phases = [p.phase for p in train_open_set(scenario, epochs=3, source="a few digits")]
    card = read_card("digits/open-set")
    assert len(phases) == 3 and card["num_classes"] == 11 and card["data"] == "a few digits"
    assert card["public_classes"] == list(names[5:]) and 0 < card["threshold"] < 1
    assert card["blur"][0]["side"] == 32 and card["heldout"]["n"] == 20
    judge = RECOGNISERS["open-set"](scenario, torch.device("cpu"))
    assert isinstance(judge, OpenSetClassifier) and judge.threshold == card["threshold"]
    sure = judge.inner.scores(small.train.images)
    assert (sure.argmax(1) == 10).float().mean() < 0.9, "it does not call everything nothing"
    assert (sure.sum(1) - 1).abs().max() < 1e-4 and judge.scores(small.train.images).shape == (200, 5)


# The judge of digits that is shipped


@pytest.fixture(scope="module")
def shipped() -> OpenSetClassifier:
    found = RECOGNISERS["open-set"](SCENARIOS["digits"](), torch.device("cpu"))
    assert isinstance(found, OpenSetClassifier)
    return found


def named(judge: OpenSetClassifier, images: torch.Tensor) -> torch.Tensor:
    """Return (N,) whether the judge names any class, private or public, in images (N, C, H, W) in [0, 1]."""
    public = torch.tensor([other is not None for other in judge.others(images)])
    return public | (judge.scores(images).amax(1) >= judge.threshold)


def test_it_knows_all_ten_digits_and_its_card_says_on_what():
    card = read_card("digits/open-set")
    assert card["heldout"]["n"] == 10_000 and card["heldout"]["recognised"] >= 0.985
    assert card["public_classes"] == ["five", "six", "seven", "eight", "nine"] and card["bytes"] < 2 * 2**20
    assert "MNIST" in card["data"] and card["seen"] and card["recipe"]["seed"] == card["seed"]


def test_private_digits_are_recognised_and_public_ones_are_themselves(shipped):
    scenario = SCENARIOS["digits"]()
    private, public = scenario.private.heldout, scenario.public_labelled()
    scores = shipped.scores(private.images[::2])
    right = (scores.argmax(1) == private.labels[::2]) & (scores.amax(1) >= shipped.threshold)
    assert right.float().mean() >= 0.97
    images, names = public.images[::10], [shipped.public_names[c] for c in public.labels[::10].tolist()]
    assert (shipped.scores(images).amax(1) >= shipped.threshold).float().mean() <= 0.01, "a seven is no one"
    assert np.mean([a == b for a, b in zip(shipped.others(images), names, strict=True)]) >= 0.97


@pytest.mark.parametrize("what", ["noise", "soft noise", "stripes", "spots", "blurs", "scrambled", "even"])
def test_nothing_is_nothing(shipped, digits, what):
    images = {
        "noise": torch.rand(200, *SHAPE, generator=rng(3)),
        "soft noise": noise(200, SHAPE, rng(3)),
        "stripes": gratings(200, SHAPE, rng(3)),
        "spots": blobs(200, SHAPE, rng(3)),
        "blurs": blurred(SCENARIOS["digits"]().private.heldout.images[::3]),
        "scrambled": scrambled(digits.images, rng(3)),
        "even": grey(*torch.linspace(0, 1, 20).tolist()),
    }[what]
    assert named(shipped, images).float().mean() <= 0.01


def test_random_samples_of_the_prior_are_seldom_whom_they_were_not_made_for(shipped):
    prior = load_prior("digits", "gan")
    with torch.no_grad():
        images = prior.random_images(300, rng())
    scores, wanted = shipped.scores(images), torch.arange(300) % 5
    assert ((scores.argmax(1) == wanted) & (scores.amax(1) >= shipped.threshold)).float().mean() <= 0.05
    others = sum(other is not None for other in shipped.others(images))
    own = (scores.amax(1) >= shipped.threshold).sum().item()
    assert others > 2 * own and others > 30, (
        "the prior knows five to nine alone: what can be read of its samples is that"
    )
