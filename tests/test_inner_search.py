"""IF-GMI and PPDG-MI: the L1 ball, a generator cut between its layers, copies tuned to pictures; on known answers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from conftest import CLASSES, SHAPE, LayeredPrior, LinearPrior, QuadrantVictim, frames_of, make_context
from hypothesis import given
from hypothesis import strategies as st

from workbench.attacks.if_gmi import Stage
from workbench.attacks.parts.l1_ball import into_ball
from workbench.attacks.parts.tuned_copies import TunedCopies
from workbench.core.errors import Incompatible
from workbench.priors.base import Luminance, luminance
from workbench.priors.style import Style


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def style(channels: int = 1) -> Style:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Style((channels, 32, 32), 16, 8, [8, 8, 8, 8], [8, 8, 8]).eval().requires_grad_(False)


# The L1 ball


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=6), st.floats(0.1, 8))
def test_the_nearest_point_of_the_ball_is_found(point, radius):
    """Soft thresholding by a cut that bisection finds, not sorting."""
    x = torch.tensor([point], dtype=torch.float64)
    low, high = 0.0, x.abs().max().item()
    for _ in range(100):
        cut = (low + high) / 2
        low, high = (cut, high) if (x.abs() - cut).clamp_min(0).sum() > radius else (low, cut)
    wanted = x if x.abs().sum() <= radius else x.sign() * (x.abs() - high).clamp_min(0)
    assert torch.allclose(into_ball(x, radius), wanted, atol=1e-6)


def test_a_ball_of_no_radius_is_its_centre():
    assert into_ball(torch.randn(3, 5, generator=seeded()), 0.0).abs().sum() == 0


# A generator cut between its layers


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_cut_generator_draws_what_the_whole_one_does(depth):
    prior = style()
    w = prior.sample(3, seeded())
    assert torch.allclose(prior.leave(*prior.enter(w, depth), w, depth), prior.decode(w), atol=1e-6)
    assert torch.equal(prior.decode(prior.widen(w)), prior.decode(w))


def test_a_cut_generator_seen_in_grey_is_grey():
    prior = style(3)
    w = prior.sample(2, seeded())
    grey = Luminance(prior)
    assert torch.allclose(grey.leave(*grey.enter(w, 2), w, 2), luminance(prior.decode(w)), atol=1e-6)


def test_a_stage_begins_where_it_is_and_stays_in_its_balls():
    prior = style()
    w = prior.sample(2, seeded())
    stage = Stage(prior, *prior.enter(w, 2), w, 2, torch.full((8,), 0.5), 0.1)
    assert torch.allclose(stage.images(stage.moves), prior.decode(w), atol=1e-6)
    far = stage.into_balls(100 * torch.randn(stage.moves.shape, generator=seeded(1)))
    maps, latents = far.split(stage.sizes, 1)
    assert torch.allclose(maps.abs().mean(1), torch.full((2,), 0.1), atol=1e-4)
    assert torch.allclose(latents.abs().mean(1), torch.full((2,), 0.1), atol=1e-4)
    assert torch.allclose(stage.gone(far), torch.ones(2), atol=1e-3)
    stage.moves.copy_(far)
    assert torch.allclose(prior.leave(*stage.onward(), stage.latents(far), 3), stage.images(far), atol=1e-5)


def test_if_gmi_goes_further_than_the_latent_does_and_says_how_far():
    ends = [[*frames_of("if-gmi", make_context("if-gmi"), steps=5, stages=s, radius=0.5)][-1] for s in (0, 1)]
    sure = [QuadrantVictim()(e.payload.images).softmax(1).gather(1, torch.arange(4)[:, None]).mean() for e in ends]
    assert sure[1] > sure[0]
    gone = [e.losses["gone from the stage's start"] for e in ends]
    assert (gone[0] == 0).all() and (gone[1] > 0).all() and (gone[1] <= 1 + 1e-4).all()


def test_a_ball_without_room_leaves_the_image_as_it_was():
    last, still = ([*frames_of("if-gmi", make_context("if-gmi"), stages=s, radius=0.0)][-1] for s in (0, 1))
    assert torch.allclose(last.payload.images, still.payload.images, atol=1e-6)
    assert isinstance(make_context("if-gmi").prior, LayeredPrior)


# Copies tuned to pictures


def test_a_copy_learns_its_own_classes_pictures_alone():
    prior = LinearPrior()
    copies = TunedCopies(prior, torch.tensor([0, 1, 1]))
    z, labels = prior.sample(4, seeded()), torch.tensor([1, 0, 1, 0])
    before = copies.decode(z, labels)
    assert torch.equal(before, prior.decode(z))
    wanted = prior.decode(3 * z)[labels == 1][:, None]
    errors = [copies.learn(z[labels == 1][:, None], wanted, torch.ones(2, dtype=torch.int64), 0.1) for _ in range(30)]
    assert errors[0].shape == (2,) and errors[-1].mean() < 0.1 * errors[0].mean()
    after = copies.decode(z, labels)
    assert torch.equal(after[labels == 0], before[labels == 0]) and not torch.equal(after[0], before[0])
    assert torch.equal(copies.decode(z), before) and prior.scale.item() == 2.0, "the prior itself was tuned"
    assert not any(p.requires_grad for p in copies.parameters())


def test_ppdg_mi_tunes_between_rounds_and_only_there():
    context = make_context("ppdg-mi")
    frames = [*frames_of("ppdg-mi", context, rounds=2, pictures=3, tuning=4)]
    taught = [f for f in frames if f.note.startswith("teaching")]
    assert len(taught) == 4 and all(torch.equal(f.payload.images, taught[0].payload.images) for f in taught)
    first, second = (sum(f.note.startswith(f"round {k} of 2") for f in frames) for k in (1, 2))
    assert first == second + 1 > 2, "the second round does not show where it begins"
    assert frames[-1].note == "kept the most robust of 3" and context.prior.scale.item() == 2.0
    alone = [*frames_of("ppdg-mi", make_context("ppdg-mi"), rounds=1, pictures=3)]
    assert not any(f.note.startswith("teaching") for f in alone)


def test_ppdg_mi_ranks_pictures_by_the_target():
    from workbench.attacks.ppdg_mi import PPDGMI

    context = make_context("ppdg-mi")
    images = torch.rand(4 * 5, *SHAPE, generator=seeded())
    rows = PPDGMI(pictures=5, kept=3, looks=0)._ranked(context, images)
    own = QuadrantVictim()(images).gather(1, torch.arange(CLASSES).repeat_interleave(5)[:, None]).view(4, 5)
    assert torch.equal(rows, own.topk(3).indices + 5 * torch.arange(4)[:, None])


@pytest.mark.parametrize("base", ["ppa", "mirror", "vmi", "ked-mi", "plg-mi"])
def test_ppdg_mi_takes_every_base_it_offers(base):
    *_, last = frames_of("ppdg-mi", make_context("ppdg-mi", every=10**9), base=base, rounds=2, pictures=2, tuning=2)
    sure = QuadrantVictim()(last.payload.images).softmax(1).gather(1, torch.arange(4)[:, None])
    assert (sure > 0.7).all()


def test_ppdg_mi_refuses_a_base_that_its_prior_does_not_serve():
    class NoCritic(LinearPrior):
        discriminates = False

    context = replace(make_context("ppdg-mi"), prior=NoCritic())
    with pytest.raises(Incompatible, match="GMI asks the prior's critic"):
        next(frames_of("ppdg-mi", context))
