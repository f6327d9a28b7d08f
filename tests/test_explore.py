"""Looking at a prior: ways, draws, neighbours, reach, and the work behind them."""

from __future__ import annotations

import math
import threading
import time

import pytest
import torch

from tests.conftest import SHAPE, LinearPrior
from workbench.analysis import prior_explorer as explore
from workbench.analysis.background import BackgroundJobs
from workbench.analysis.neighbours import NeighbourPool, embed, usual_distance
from workbench.analysis.prior_explorer import (
    Explorer,
    PriorChoice,
    Reached,
    SampleIndex,
    SampleRequest,
    drawn,
    labels_of,
    sheet_size,
    way,
)
from workbench.analysis.prior_reach import Verdict, heldout_of, search, verdicts
from workbench.core.errors import DataMissing, UsageError
from workbench.core.weights import read_card
from workbench.scenarios import Labelled, Split


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def wait_for(condition, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


# Ways


def test_a_great_circle_keeps_its_radius_and_its_pace():
    a, b = torch.tensor([2.0, 0.0, 0.0]), torch.tensor([0.0, 4.0, 0.0])
    points = way(a, b, 5, spherical=True)
    assert torch.allclose(points[0], a, atol=1e-6) and torch.allclose(points[-1], b, atol=1e-6)
    assert torch.allclose(points.norm(dim=1), torch.tensor([2, 2.5, 3, 3.5, 4]), atol=1e-5)
    angles = torch.atan2(points[:, 1], points[:, 0])
    assert torch.allclose(angles, torch.linspace(0, math.pi / 2, 5), atol=1e-5)


@pytest.mark.parametrize("b", [[3.0, 0.0], [-1.0, 0.0], [1.0, 0.0]])
def test_where_no_circle_is_the_one_the_line_is_straight(b):
    a, b = torch.tensor([1.0, 0.0]), torch.tensor(b)
    points = way(a, b, 3, spherical=True)
    assert torch.equal(points, way(a, b, 3, spherical=False)) and torch.allclose(points[1], (a + b) / 2)


def test_a_point_without_length_is_no_trouble():
    assert torch.isfinite(way(torch.zeros(4), torch.ones(4), 5, spherical=True)).all()


# Draws


@pytest.mark.parametrize("wrong", [dict(seed=-1), dict(seed=2**31), dict(share=1.5), dict(share=-0.1)])
def test_a_draw_out_of_range_is_refused(wrong):
    with pytest.raises(UsageError, match="out of range"):
        SampleRequest(**wrong)


def test_truncation_draws_the_same_samples_nearer():
    prior = LinearPrior().eval()
    whole, half = (drawn(prior, SampleRequest(3, share)) for share in (1.0, 0.5))
    assert torch.allclose(half, whole / 2)
    assert not torch.equal(whole, drawn(prior, SampleRequest(4)))


def test_classes_are_asked_of_conditional_priors_alone():
    prior = LinearPrior()
    assert labels_of(prior, 2, 5) is None
    prior.conditional, prior.num_classes = True, 3
    assert labels_of(prior, None, 5).tolist() == [0, 1, 2, 0, 1]
    assert labels_of(prior, 2, 2).tolist() == [2, 2]
    with pytest.raises(UsageError, match="classes 0 to 2"):
        labels_of(prior, 3, 2)


def test_a_target_is_for_tuned_priors():
    with pytest.raises(UsageError, match="tuned to no target"):
        PriorChoice("digits", "gan", "resnet")


# Neighbours


def test_the_nearest_image_is_found_and_given_back_whole():
    images = torch.rand(300, 1, 8, 8, generator=rng())
    shares: list[float] = []
    pool = NeighbourPool.of(images, None, shares.append)
    assert shares == sorted(shares) and shares[0] == 0
    index, distance = pool.nearest(embed(images[277:278] + 0.01, None)[0])
    assert index == 277 and distance == pytest.approx(0.01, abs=1e-4), "a distance is a root mean square"
    assert (pool.image(277) - images[277]).abs().max() < 1 / 255


def test_the_usual_distance_is_to_ones_own_class():
    black, white = torch.zeros(2, 1, 8, 8), torch.ones(2, 1, 8, 8)
    train = Labelled(torch.cat([black, white]), torch.tensor([0, 0, 1, 1]))
    heldout = Labelled(torch.cat([black, white]) * 0.75, torch.tensor([1, 1, 1, 0]))
    assert usual_distance(Split(train, heldout), None) == pytest.approx((0.25 + 0.75) / 2 + 0.25)


# Reach


def test_the_search_finds_what_the_prior_can_draw_and_comes_near_the_rest():
    prior = LinearPrior().eval()
    latents = torch.randn(2, prior.latent_dim, generator=rng(5))
    able = prior.decode(latents)
    unable = torch.rand(1, *SHAPE, generator=rng(6)).round()
    wanted = torch.cat([able, unable])
    found = list(search(prior, wanted, torch.tensor([0, 1, 2]), rng(), steps=120))
    assert [f.step for f in found] == list(range(10, 121, 10))
    errors = torch.stack([(f.images - wanted).pow(2).mean((1, 2, 3)) for f in found])
    assert (errors.diff(dim=0) <= 1e-7).all(), "the best so far never gets worse"
    assert errors[-1, :2].max() < 1e-4 < 0.05 < errors[-1, 2]


def test_the_search_keeps_to_latents_that_the_prior_was_made_for():
    prior = LinearPrior().eval()
    prior.bound = 0.5
    (*_, last) = search(prior, torch.ones(1, *SHAPE), torch.tensor([0]), rng(), steps=60)
    assert last.images.max() <= prior.decode(torch.full((1, prior.latent_dim), 0.5)).max() + 1e-6


def test_verdicts_without_a_judge_are_of_likeness_alone():
    images = torch.rand(2, 1, 16, 16, generator=rng())
    one, two = verdicts((images + 0.1), images, torch.tensor([3, 1]), None)
    assert one.label == 3 and one.psnr == pytest.approx(20, abs=0.01) and one.judged is None
    assert two.ssim < 1


def test_one_heldout_photograph_a_class():
    heldout = Labelled(torch.arange(4.0).view(4, 1, 1, 1), torch.tensor([1, 0, 1, 0]))
    assert heldout_of(heldout, [1, 0]).flatten().tolist() == [0, 1]


def test_what_was_found_is_kept_on_disk(tmp_path):
    path = tmp_path / "a.safetensors"
    found = Reached(
        torch.rand(2, 1, 8, 8), torch.rand(2, 1, 8, 8), (Verdict(0, 20.0, 0.5), Verdict(1, 2.0, 0.1, 3, 0.9, 1)), 4.0
    )
    found.save(path)
    again = Reached.load(path)
    assert (
        again.verdicts == found.verdicts
        and again.seconds == 4
        and torch.allclose(again.images, found.images, atol=1e-3)
    )
    path.write_bytes(b"not what it was")
    with pytest.raises(DataMissing, match="Search again"):
        Reached.load(path)
    assert not path.exists()


# BackgroundJobs


def test_chores_come_one_after_another_and_the_same_is_done_once():
    jobs, order, gate = BackgroundJobs(), [], threading.Event()

    def work(name):
        def do(job):
            order.append(f"{name} begins")
            gate.wait(10)
            order.append(f"{name} ends")
            return name

        return do

    first, again, second = jobs.start("a", work("a")), jobs.start("a", work("a")), jobs.start("b", work("b"))
    assert first is again
    gate.set()
    wait_for(lambda: second.ended)
    assert order in (["a begins", "a ends", "b begins", "b ends"], ["b begins", "b ends", "a begins", "a ends"])
    assert (first.state, first.result, first.share) == ("finished", "a", 1.0)


def test_a_chore_is_stopped_and_started_anew():
    jobs = BackgroundJobs()

    def endless(job):
        while True:
            job.report(0.5, "busy", shown="so far")
            time.sleep(0.005)

    job = jobs.start("a", endless)
    wait_for(lambda: job.text == "busy")
    job.stop()
    wait_for(lambda: job.ended)
    assert (job.state, job.result) == ("stopped", "so far")
    again = jobs.start("a", lambda job: "done")
    assert again is not job
    wait_for(lambda: again.ended)
    assert again.result == "done"


@pytest.mark.parametrize(
    ("error", "said"), [(DataMissing("not here"), "not here"), (ValueError("odd"), "ValueError: odd")]
)
def test_a_failed_chore_says_why_and_is_tried_again_later(error, said, monkeypatch):
    jobs = BackgroundJobs()

    def fail(job):
        raise error

    job = jobs.start("a", fail)
    wait_for(lambda: job.ended)
    assert (job.state, job.problem) == ("failed", said)
    assert jobs.start("a", fail) is job, "not at once: those who watch must see it"
    monkeypatch.setattr("workbench.analysis.background.RETRY", 0.0)
    assert jobs.start("a", lambda job: 1) is not job


# With the shipped priors


@pytest.fixture
def explorer(tmp_path):
    explorer = Explorer(tmp_path)
    yield explorer
    explorer.close()


DIGITS = PriorChoice("digits", "gan")


def test_a_seed_has_its_sheet_and_its_ways(explorer):
    draw = SampleRequest(7)
    sheet = explorer.samples(DIGITS, draw)
    assert sheet.shape == (24, 1, 32, 32) and sheet.min() >= 0 and sheet.max() <= 1
    between = explorer.between(DIGITS, SampleIndex(7, 2), SampleIndex(8, 0), draw)
    assert len(between) == explore.WAY
    assert torch.allclose(between[0], sheet[2], atol=1e-4)
    assert torch.allclose(between[-1], explorer.samples(DIGITS, SampleRequest(8))[0], atol=1e-4)
    assert torch.allclose(explorer.one(DIGITS, SampleIndex(7, 2), draw), sheet[2], atol=1e-4)
    with pytest.raises(UsageError, match="samples 0 to 23"):
        explorer.one(DIGITS, SampleIndex(0, 24), draw)
    assert explorer.prior(DIGITS) is explorer.prior(DIGITS)


def test_new_weights_are_seen(explorer, monkeypatch):
    model = explorer.prior(DIGITS)
    card = read_card("digits/prior-gan")
    monkeypatch.setattr(explore, "prior_card", lambda *_: {**card, "sha256": "0" * 64})
    assert explorer.prior(DIGITS) is not model


def test_reach_is_found_once_and_read_from_then_on(explorer, monkeypatch, tmp_path):
    monkeypatch.setattr(explore.reach.search, "__kwdefaults__", {**search.__kwdefaults__, "steps": 20})
    assert explorer.reach(DIGITS, [0, 3], False, start=False) is None
    job = explorer.reach(DIGITS, [0, 3], False, start=True)
    wait_for(lambda: job.ended)
    assert job.state == "finished", job.problem
    found = job.result
    assert [v.label for v in found.verdicts] == [0, 3] and found.verdicts[0].judged is not None
    assert found.images.shape == found.wanted.shape == (2, 1, 32, 32)
    assert min(v.psnr for v in found.verdicts) > 12
    fresh = Explorer(tmp_path)
    again = fresh.reach(DIGITS, [0, 3], False, start=False)
    wait_for(lambda: again.ended)
    assert [v.label for v in again.result.verdicts] == [0, 3]
    assert fresh.reach(DIGITS, [3, 0], False, start=False) is None


def test_a_reach_that_cannot_be_is_refused(explorer):
    with pytest.raises(UsageError, match="at most 8"):
        explorer.reach(DIGITS, list(range(9)), False, start=True)
    with pytest.raises(UsageError, match="no layers"):
        explorer.reach(DIGITS, [0], True, start=True)


def test_slow_priors_show_fewer_samples():
    prior = LinearPrior()
    assert sheet_size(prior) == 24
    prior.shown = 64
    assert sheet_size(prior) == 8
