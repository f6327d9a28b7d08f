"""Measures of a whole set, against closed forms and independent references."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import nn
from torchmetrics.functional.classification import multiclass_precision, multiclass_recall

from workbench.core.errors import Failure
from workbench.metrics import EvalContext, Judged
from workbench.metrics.evaluator_rates import rates_of
from workbench.metrics.panel_verdict import Agreement, Answer
from workbench.metrics.photographs import nearest_of_photographs
from workbench.metrics.sets import SET_METRICS, bootstrap, figures_of_set
from workbench.recognisers import Panel
from workbench.recognisers.evaluator import Evaluator
from workbench.scenarios import Labelled, Split

CLASSES, SIDE = 4, 4
YES, NO, UNCLEAR = Answer.RECOGNISED, Answer.OTHER, Answer.UNCLEAR


class Pixels(nn.Module):
    """Features are pixels; logits a fixed random map of them."""

    num_classes = CLASSES

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(SIDE * SIDE, CLASSES)

    def features(self, images):
        return images.flatten(1)


def drawn(n: int, seed: int) -> torch.Tensor:
    return torch.rand(n, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def context() -> EvalContext:
    torch.manual_seed(0)
    labels = torch.arange(40) % CLASSES
    photographs = Labelled(drawn(40, 1), labels)
    return EvalContext(Panel((Evaluator(Pixels().eval()),)), Split(photographs, photographs))


@pytest.fixture(scope="module")
def judged(context) -> Judged:
    return Judged(drawn(60, 2), torch.arange(60) % 3, context)  # nobody attacked class 3


def test_precision_and_recall_are_those_of_torchmetrics(judged):
    said, wanted = judged.logits.argmax(1), judged.labels
    given = dict(num_classes=CLASSES, average="none")
    for key, reference in (("precision", multiclass_precision), ("recall", multiclass_recall)):
        expected = reference(said, wanted, **given)[:3].mean().item()
        assert SET_METRICS[key](judged) == pytest.approx(expected, abs=1e-4)


def test_what_nothing_is_taken_for_has_no_precision(context):
    judged = Judged(drawn(2, 3), torch.tensor([0, 1]), context)
    judged.__dict__["logits"] = torch.tensor([[1.0, 0, 0, 0], [1.0, 0, 0, 0]])
    assert SET_METRICS["precision"](judged) == 0.25 and SET_METRICS["recall"](judged) == 0.5


def test_the_frechet_distance_is_that_of_scipy(judged, context):
    train = context.private.train
    real = context.train_features[train.labels < 3].double().numpy()
    made = judged.features.double().numpy()
    cov1, cov2 = np.cov(made, rowvar=False), np.cov(real, rowvar=False)
    root = scipy.linalg.sqrtm(cov1 @ cov2).real
    expected = ((made.mean(0) - real.mean(0)) ** 2).sum() + np.trace(cov1 + cov2 - 2 * root)
    assert SET_METRICS["frechet_evaluator"](judged) == pytest.approx(expected, rel=1e-4)


def test_photographs_themselves_cover_all_and_copies_have_no_diversity(context):
    train = context.private.train
    itself = Judged(train.images, train.labels, context)
    assert SET_METRICS["coverage"](itself) == 1.0 and SET_METRICS["diversity"](itself) == pytest.approx(1.0)
    assert SET_METRICS["density"](itself) > 0.9
    copies = Judged(train.images[:1].expand(8, -1, -1, -1), torch.zeros(8, dtype=torch.long), context)
    assert SET_METRICS["diversity"](copies) == 0.0 and SET_METRICS["coverage"](copies) < 1.0


def test_diversity_is_the_mean_pairwise_distance_over_that_of_photographs(judged, context):
    train, ratios = context.private.train, []
    for c in range(3):
        made, real = (
            f.double().numpy() for f in (judged.features[judged.labels == c], context.train_features[train.labels == c])
        )
        ratios.append(scipy.spatial.distance.pdist(made).mean() / scipy.spatial.distance.pdist(real).mean())
    assert SET_METRICS["diversity"](judged) == pytest.approx(np.mean(ratios), abs=1e-4)


def test_few_pictures_are_no_set(context):
    found = figures_of_set(Judged(drawn(1, 4), torch.tensor([0]), context))
    assert {k for k, f in found.items() if f.value is None} == {
        "frechet_evaluator",
        "density",
        "coverage",
        "diversity",
        "fid",
    }
    assert found["recall"].interval is None, "one person has no spread" and found["recall"].n == 1


def test_persons_are_drawn_and_not_their_pictures(context):
    """Twenty tries at each of four persons tell no more than one: the interval is that of four."""
    labels = torch.arange(80) % 4
    judged = Judged(drawn(80, 5), labels, context)
    right = (labels < 2).float()  # two persons always, two never
    judged.__dict__["logits"] = nn.functional.one_hot(torch.where(right > 0, labels, (labels + 1) % 4), 4).float()
    low, high = bootstrap(SET_METRICS["recall"], judged)
    assert low <= 0.1 and high >= 0.9
    assert bootstrap(SET_METRICS["recall"], judged) == (low, high), "drawn with a seed of its own"


def test_every_photograph_has_what_came_nearest_to_it(context):
    train = context.private.train
    own = (train.labels == 1).nonzero()[:, 0]
    images = torch.cat([train.images[own[2]][None] + 0.001, drawn(3, 6)])
    found = nearest_of_photographs(Judged(images, torch.tensor([1, 1, 0, 0]), context))
    assert set(found.photograph) == set(torch.isin(train.labels, torch.tensor([0, 1])).nonzero()[:, 0].tolist())
    at = found.photograph.index(own[2].item())
    assert found.reconstruction[at] == 0 and found.distance[at] == pytest.approx(0.001 * SIDE, abs=1e-3)
    features = train.images[own].flatten(1).double().numpy()
    apart = scipy.spatial.distance.squareform(scipy.spatial.distance.pdist(features))[2]
    assert found.fellow[at] == pytest.approx(np.sort(apart)[1], abs=1e-3)
    assert all(r in (2, 3) for r, p in zip(found.reconstruction, found.photograph, strict=True) if train.labels[p] == 0)


def test_the_evaluator_is_measured_against_the_panel():
    agreed = Agreement(["A"], [YES, NO, YES, NO, NO, UNCLEAR])
    found = rates_of([True, True, False, False, True, True], agreed)
    assert (found.true_positives, found.false_positives, found.false_negatives, found.true_negatives) == (1, 2, 1, 1)
    assert found.to_json() | {"tpr": 0.5, "fnr": 0.5, "fpr": 0.6667, "tnr": 0.3333} == found.to_json()
    nobody = rates_of([True], Agreement(["A"], [NO]))
    assert (nobody.tpr, nobody.fnr, nobody.fpr, nobody.tnr) == (None, None, 1.0, 0.0)


@pytest.mark.slow
def test_fid_is_inceptions_and_only_with_weights(context, judged, tmp_path, monkeypatch):
    from torchvision.models import inception_v3

    few = judged.rows(torch.arange(4))
    monkeypatch.delenv("WORKBENCH_INCEPTION", raising=False)
    assert SET_METRICS["fid"](few) is None
    torch.manual_seed(0)
    path = tmp_path / "inception.pth"
    torch.save(inception_v3(weights=None, init_weights=False).state_dict(), path)
    monkeypatch.setenv("WORKBENCH_INCEPTION", str(path))
    photographs = Judged(context.private.train.images[:6], context.private.train.labels[:6], context)
    only = Split(Labelled(photographs.images, photographs.labels), context.private.heldout)
    itself = Judged(photographs.images, photographs.labels, EvalContext(context.panel, only))
    assert SET_METRICS["fid"](itself) == pytest.approx(0.0, abs=1e-6)
    assert SET_METRICS["fid"](Judged(1 - photographs.images, photographs.labels, itself.context)) > 0
    path.write_bytes(b"no weights")
    monkeypatch.setenv("WORKBENCH_INCEPTION", str(path.rename(tmp_path / "broken.pth")))
    with pytest.raises(Failure, match="WORKBENCH_INCEPTION"):
        SET_METRICS["fid"](itself)
