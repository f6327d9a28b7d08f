"""Metrics and the judge, against closed forms and a second implementation."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from workbench.core.intervals import mean_interval, share_interval, wilson
from workbench.core.weights import save_weights
from workbench.engine.ceilings import ceiling_of
from workbench.engine.judging import reach_of, verdict_json
from workbench.metrics import METRICS, EvalContext, Judged
from workbench.metrics.accuracy import hits
from workbench.metrics.judge import ceiling, judge
from workbench.metrics.panel_verdict import Answer, PanelVerdict, agreement_of, answers_of
from workbench.metrics.pixels import mse, psnr, ssim
from workbench.recognisers import Panel
from workbench.recognisers.evaluator import Evaluator
from workbench.scenarios import SCENARIOS, Labelled, Split

KEYS = {"acc@1", "acc@5", "knn_dist", "feat_dist", "psnr", "ssim", "mse"}
CLASSES = 6
each_metric = pytest.mark.parametrize("key", METRICS.keys())


class GreyEvaluator(nn.Module):
    """Features are the image's pixels; class c is the one whose grey level c/10 is nearest."""

    num_classes = CLASSES

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(16 * 16, CLASSES)
        level = torch.arange(CLASSES) / 10
        with torch.no_grad():  # −(mean − level)², without the term that all classes share
            self.head.weight.copy_(200 * level[:, None].expand(-1, 256) / 256)
            self.head.bias.copy_(-100 * level**2)

    def features(self, images):
        return images.flatten(1)

    def forward(self, images):
        return self.head(self.features(images))


def grey(*levels: float) -> torch.Tensor:
    return torch.tensor(levels)[:, None, None, None].expand(-1, 1, 16, 16).clone()


def judges(evaluator: nn.Module, private: Split) -> EvalContext:
    return EvalContext(Panel((Evaluator(evaluator),)), private)


@pytest.fixture
def context() -> EvalContext:
    """Return a judge over two training images a class, of grey c/10 and c/10 + 0.02."""
    labels = torch.arange(CLASSES).repeat_interleave(2)
    levels = [c / 10 + extra for c in range(CLASSES) for extra in (0.0, 0.02)]
    heldout = Labelled(grey(*[c / 10 + 0.01 for c in range(CLASSES)]), torch.arange(CLASSES))
    return judges(GreyEvaluator().eval(), Split(Labelled(grey(*levels), labels), heldout))


def judged(images: torch.Tensor, labels: torch.Tensor, context: EvalContext) -> Judged:
    """Return images under judgement, each of which was to recover the plain grey of its class."""
    return Judged(images, labels, context, truth=grey(*(labels / 10).tolist()))


@pytest.fixture(scope="module")
def faces() -> EvalContext:
    scenario = SCENARIOS["faces"]()
    return EvalContext(Panel.of(scenario), scenario.private)


# What metrics declare


def test_the_fixed_metrics_are_there():
    assert set(METRICS.keys()) >= KEYS


@each_metric
def test_a_metric_says_what_it_compares(key):
    info = METRICS.entry(key).info
    assert info.best in ("higher", "lower") and info.unit and info.compares and info.source


@each_metric
def test_a_metric_gives_one_value_an_image(key, context):
    values = METRICS[key](judged(grey(0.11, 0.31, 0.53), torch.tensor([1, 3, 5]), context))
    assert values.shape == (3,) and torch.isfinite(values).all()
    single = METRICS[key](judged(grey(0.31), torch.tensor([3]), context))
    assert single.shape == (1,) and torch.allclose(single[0], values[1], atol=1e-4)


@each_metric
def test_a_metric_does_not_depend_on_the_order_of_images(key, context):
    images, labels = torch.rand(8, 1, 16, 16, generator=torch.Generator().manual_seed(0)), torch.arange(8) % CLASSES
    order = torch.randperm(8, generator=torch.Generator().manual_seed(1))
    there, back = (METRICS[key](judged(images[i], labels[i], context)) for i in (torch.arange(8), order))
    assert torch.allclose(there[order], back, atol=1e-4)


@each_metric
def test_a_perfect_copy_is_the_extreme(key, context):
    """A training image itself scores the most leakage that the metric knows, in its own direction."""
    copied = METRICS[key](judged(grey(0.3), torch.tensor([3]), context)).item()
    extreme = {
        "acc@1": 1.0,
        "acc@5": 1.0,
        "knn_dist": 0.0,
        "feat_dist": 0.16,
        "psnr": math.inf,
        "ssim": 1.0,
        "mse": 0.0,
        "lite0_dist": 0.0,
        "recovered_psnr": math.inf,
        "recovered_ssim": 1.0,
    }
    # SSIM divides by the variance, which a single grey level has none of, so it is only nearly one.
    assert copied == pytest.approx(extreme[key], abs=1e-3)
    blurred = METRICS[key](judged(grey(0.05), torch.tensor([3]), context)).item()
    assert blurred <= copied if METRICS.entry(key).info.best == "higher" else blurred >= copied


# Closed forms


@pytest.mark.parametrize(("offset", "decibels"), [(0.1, 20.0), (0.01, 40.0), (1.0, 0.0)])
def test_mse_and_psnr_of_a_constant_offset(offset, decibels):
    black = torch.zeros(2, 1, 16, 16)
    assert torch.allclose(mse(black + offset, black), torch.full((2,), offset**2))
    assert torch.allclose(psnr(black + offset, black), torch.full((2,), decibels), atol=1e-4)


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_and_psnr_are_those_of_torchmetrics(channels):
    rng = torch.Generator().manual_seed(channels)
    a = torch.rand(3, channels, 24, 32, generator=rng)
    b = (a + 0.3 * torch.rand(a.shape, generator=rng)).clamp(0, 1)
    reference = structural_similarity_index_measure(a, b, data_range=1.0, reduction="none")
    assert torch.allclose(ssim(a, b), reference, atol=1e-4)
    assert torch.allclose(
        psnr(a, b), peak_signal_noise_ratio(a, b, data_range=1.0, reduction="none", dim=(1, 2, 3)), atol=1e-4
    )


def test_accuracy_counts_the_k_largest():
    logits = torch.tensor([[3.0, 2, 1, 0, -1, -2]] * 3)
    assert hits(logits, torch.tensor([0, 1, 5]), 1).tolist() == [1, 0, 0]
    assert hits(logits, torch.tensor([0, 4, 5]), 5).tolist() == [1, 1, 0]


def test_distances_are_plain_l2_to_training_images_of_the_class(context):
    """16x16 images that differ by d everywhere are 16·d apart."""
    judged = Judged(grey(0.35, 0.0), torch.tensor([3, 5]), context)
    assert METRICS["knn_dist"](judged).tolist() == pytest.approx([16 * 0.03, 16 * 0.5], abs=1e-5)
    assert METRICS["feat_dist"](judged).tolist() == pytest.approx([16 * 0.04, 16 * 0.51], abs=1e-5)
    assert METRICS["mse"](judged).tolist() == pytest.approx([0.03**2, 0.5**2], abs=1e-6)
    assert judged.feature_distances.argmin(1).tolist() == [7, 10]


def test_five_classes_have_no_top_five():
    labels = torch.arange(5)
    evaluator = GreyEvaluator()
    evaluator.head, evaluator.num_classes = nn.Linear(256, 5), 5
    few = judges(
        evaluator.eval(), Split(Labelled(grey(0, 0.1, 0.2, 0.3, 0.4), labels), Labelled(grey(0.1), labels[:1]))
    )
    found = judge(grey(0.1, 0.2), torch.tensor([1, 2]), few)
    assert found.overall["acc@5"] is found.intervals["acc@5"] is found.per_image["acc@5"] is None
    assert found.per_class["1"]["acc@5"] is None and found.overall["acc@1"] is not None


# Intervals


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [(9, 10, 0.5958, 0.9821), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962)],
)
def test_wilsons_interval(right, n, low, high):
    """Figures of Wilson's score interval from statsmodels' proportion_confint(method="wilson")."""
    assert wilson(right, n) == pytest.approx((low, high), abs=1e-4)


@given(st.lists(st.tuples(st.floats(-5, 5, width=32), st.integers(0, 4)), min_size=2, max_size=20))
def test_an_interval_holds_its_mean(drawn):
    values, persons = (torch.tensor(column) for column in zip(*drawn, strict=True))
    if (found := mean_interval(values, persons)) is not None:
        assert found[0] - 1e-5 <= values.mean() <= found[1] + 1e-5
    low, high = share_interval((values > 0).float(), persons)
    assert low - 1e-6 <= (values > 0).float().mean() <= high + 1e-6


def test_few_persons_get_students_interval_and_one_gets_none():
    two = mean_interval(torch.tensor([0.0, 2.0]), torch.tensor([0, 1]))
    assert two == pytest.approx((1 - 12.7062, 1 + 12.7062), abs=1e-3)
    assert mean_interval(torch.tensor([0.0, 2.0]), torch.tensor([5, 5])) is None
    assert share_interval(torch.tensor([1.0]), torch.tensor([0])) == wilson(1, 1)


def test_trying_a_person_again_makes_no_interval_narrower():
    """Four persons, two of whom leak: eight tries each that agree say no more than one try each does."""
    once, persons = torch.tensor([1.0, 1.0, 0.0, 0.0]), torch.arange(4)
    often, again = once.repeat_interleave(8), persons.repeat_interleave(8)
    assert share_interval(once, persons) == pytest.approx(wilson(2, 4))
    assert share_interval(often, again) == pytest.approx(wilson(2, 4))
    assert mean_interval(often, again) == pytest.approx(mean_interval(once, persons))


def test_a_mean_over_persons_has_students_interval_of_their_means():
    values = torch.tensor([1.0, 3.0, 2.0, 6.0, 7.0, 9.0])  # persons' means are 2, 4 and 8
    low, high = mean_interval(values, torch.tensor([0, 0, 1, 1, 2, 2]))
    half = 4.302653 * torch.tensor([2.0, 4.0, 8.0]).std().item() / 3**0.5
    assert (low, high) == pytest.approx((14 / 3 - half, 14 / 3 + half), abs=1e-4)


# The judge


def test_a_judgement_adds_up(context):
    labels = torch.tensor([1, 1, 3, 5])
    found = judge(grey(0.11, 0.31, 0.31, 0.49), labels, context)
    assert found.n == 4 and set(found.overall) == set(METRICS.keys())
    assert found.overall["acc@1"] == 0.75 and found.evaluator_class == [1, 3, 3, 5]
    assert found.intervals["acc@1"] == pytest.approx(wilson(2.25, 3))  # three persons
    assert found.per_class["1"]["acc@1"] == 0.5 and set(found.per_class) == {"1", "3", "5"}
    assert all(0 <= p <= 1 for p in found.evaluator_confidence)
    assert [context.private.train.labels[i] for i in found.nearest] == labels.tolist()
    silent = {key for key, values in found.per_image.items() if values is None}
    assert silent == {"recovered_psnr", "recovered_ssim"}, "no single picture was to be recovered"
    for key, values in found.per_image.items():
        if key in silent:
            continue
        assert len(values) == 4 and sum(values) / 4 == pytest.approx(found.overall[key], abs=1e-5)
        low, high = found.intervals[key]
        assert low - 1e-6 <= found.overall[key] <= high + 1e-6


def test_the_panel_votes_and_the_evaluator_is_its_first_member(faces):
    assert faces.panel.evaluator is faces.panel.members[0]
    photographs = faces.private.heldout
    found = judge(photographs.images[:6], photographs.labels[:6], faces)
    verdict = found.panel[0]
    assert verdict.key == "evaluator" and verdict.choice == found.evaluator_class
    assert verdict.score == pytest.approx(found.evaluator_confidence)
    assert verdict.accuracy == found.overall["acc@1"] and verdict.interval == found.intervals["acc@1"]
    votes = faces.panel.votes(photographs.images[:6])
    assert votes.shape == (len(faces.panel), 6, 40) and votes[0].argmax(1).tolist() == found.evaluator_class


def test_a_judgement_survives_json(context):
    found = judge(grey(0.11, 0.3), torch.tensor([1, 3]), context)
    there = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert there["overall"]["acc@1"] == 1.0 and there["nearest"] == found.nearest
    # The second is a training image: its PSNR is infinite, which has no JSON form, and so has the mean.
    assert there["per_image"]["psnr"][1] is None and there["overall"]["psnr"] is None


def test_without_private_images_what_needs_none_is_said_as_ever(context):
    labels, images = torch.tensor([0, 1, 2]), grey(0.0, 0.11, 0.5)
    whole = judge(images, labels, context, photographs=True)
    alone = judge(images, labels, EvalContext(context.panel, None), photographs=True)
    asked = {m for m, value in alone.overall.items() if value is not None}
    assert asked == {"acc@1", "acc@5"} and all(alone.overall[m] == whole.overall[m] for m in asked)
    assert alone.panel == whole.panel and alone.sets["precision"] == whole.sets["precision"]
    assert alone.sets["frechet_evaluator"].value is None and alone.nearest == [] and alone.photographs is None
    json.dumps(alone.to_json())


def test_the_ceiling_is_what_real_photographs_score(context):
    found = ceiling(context)
    assert found.n == CLASSES and found.overall["acc@1"] == 1.0
    assert found.overall["knn_dist"] == pytest.approx(0.16, abs=1e-4), "a held-out image met itself"


def test_judging_leaves_the_evaluator_and_the_global_generator_alone(faces):
    before, random = {k: v.clone() for k, v in faces.evaluator.classifier.state_dict().items()}, torch.get_rng_state()
    judge(torch.rand(4, 1, 64, 64, generator=torch.Generator().manual_seed(0)), torch.arange(4), faces)
    assert all(torch.equal(before[k], v) for k, v in faces.evaluator.classifier.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random) and not faces.evaluator.classifier.training


def test_real_faces_score_above_noise_in_every_metric(faces):
    real, labels = ceiling_of("faces", faces), faces.private.heldout.labels[::4]
    noise = judge(torch.rand(len(labels), 1, 64, 64, generator=torch.Generator().manual_seed(0)), labels, faces)
    assert real.overall["acc@1"] >= 0.99 and noise.overall["acc@1"] < 0.2
    for entry in METRICS:
        if real.overall[entry.key] is None:
            assert entry.key.startswith("recovered"), "no single picture was to be recovered"
            continue
        better = real.overall[entry.key] > noise.overall[entry.key]
        assert better == (entry.info.best == "higher"), entry.key


# The verdict of those who can say no


YES, NO, UNCLEAR = Answer.RECOGNISED, Answer.OTHER, Answer.UNCLEAR


def said_by(title: str, answers: list[Answer], threshold: float | None = 0.5) -> PanelVerdict:
    n, right = len(answers), [a is YES for a in answers]
    return PanelVerdict(
        key=title.lower(),
        title=title,
        seen="",
        threshold=threshold,
        least_detail=0.1,
        choice=[0] * n,
        others=[None] * n,
        score=[1.0] * n,
        right=right,
        answer=answers,
        accuracy=sum(right) / n,
        interval=(0.0, 1.0),
    )


def test_a_picture_is_recognised_where_all_agree_who_can_say_no():
    votes = [
        said_by("Chooser", [YES, YES, YES], threshold=None),
        said_by("A", [YES, YES, NO]),
        said_by("B", [YES, NO, YES]),
    ]
    found = agreement_of(votes)
    assert (found.judges, found.right) == (["A", "B"], [True, False, False])
    assert found.share == pytest.approx(1 / 3)


def test_nobody_who_can_say_no_means_no_verdict():
    assert agreement_of([said_by("Chooser", [YES], threshold=None)]) is None


def test_a_clear_no_of_one_judge_counts_and_silence_is_no_no():
    votes = [said_by("A", [YES, UNCLEAR, UNCLEAR, NO]), said_by("B", [UNCLEAR, NO, UNCLEAR, YES])]
    found = agreement_of(votes)
    assert found.answers == [UNCLEAR, NO, UNCLEAR, NO]
    assert [found.count(answer) for answer in (YES, NO, UNCLEAR)] == [0, 2, 2]


def test_too_little_detail_takes_away_a_no_and_never_a_yes():
    right, detail = torch.tensor([True, True, False, False]), torch.tensor([0.3, 0.01, 0.3, 0.01])
    assert answers_of(right, detail, 0.1) == [YES, YES, NO, UNCLEAR]


def test_the_verdict_in_figures(context):
    photographs = context.private.heldout
    found = judge(photographs.images[:3], photographs.labels[:3], context)
    spoken = replace(found, panel=(said_by("A", [YES, NO, UNCLEAR]),))
    told = verdict_json(spoken, None, spoken, reach=0.25)
    assert {name: value for name, value in told.items() if name != "evaluator"} == {
        "judges": ["A"],
        "recognised": 1,
        "other": 1,
        "unclear": 1,
        "n": 3,
        "baseline": None,
        "ceiling": pytest.approx(1 / 3, abs=1e-4),
        "reach": 0.25,
    }


def test_scores_kept_from_calibration_are_taken_for_held_out_images_alone(context):
    @dataclass(frozen=True)
    class Keeps:
        heldout: torch.Tensor

        def scores(self, images):
            return torch.zeros(len(images), 2)

    keeps, images, labels = (
        Keeps(torch.ones(4, 2)),
        torch.zeros(4, *context.private.train.images.shape[1:]),
        torch.zeros(4),
    )
    assert Judged(images, labels, context, heldout=True).scores(keeps) is keeps.heldout
    assert Judged(images, labels, context).scores(keeps).sum() == 0


def test_how_near_a_prior_comes_stands_on_its_card(context, tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path))
    judges = {"a": {"recognised": 0.4}, "b": {"recognised": 0.25}}
    save_weights("toy/prior-gan", {"w": torch.zeros(1)}, {"ceiling": {"toy": {"n": 9, "judges": judges}}})
    photographs = context.private.heldout
    found = judge(photographs.images[:1], photographs.labels[:1], context)
    run = SimpleNamespace(prior_name="toy/prior-gan", config=SimpleNamespace(scenario="toy"))

    def reach(*titles: str) -> float | None:
        return reach_of(run, replace(found, panel=tuple(said_by(title, [YES]) for title in titles)))

    assert (reach("A"), reach("A", "B"), reach("A", "C")) == (0.4, 0.25, None), "all of them, or nothing is known"
    run.prior_name = "toy/prior-other"
    assert reach("A") is None
