"""Single steps and choices of the attacks against values worked out apart from them: signs, factors, directions."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from conftest import LinearPrior, QuadrantVictim, frames_of, make_context, quick

from workbench.attacks.ked_mi import around
from workbench.attacks.parts.best_so_far import Best
from workbench.attacks.parts.box import Box
from workbench.attacks.parts.candidate_rng import Streams
from workbench.attacks.parts.clouds import Cloud
from workbench.attacks.parts.latent_search import AdamSteps, NesterovSteps, descend
from workbench.attacks.parts.optimisers import (
    Annealing,
    DifferentialEvolution,
    NaturalEvolution,
    ParticleSwarm,
    TiledPerturbation,
)
from workbench.attacks.parts.p_space import PSpace
from workbench.attacks.parts.questions import AnswerPool, log_confidences, margins
from workbench.attacks.parts.search_frames import Evaluation, SearchFrames, best_of
from workbench.attacks.parts.soft_actor_critic import Agents, Memory
from workbench.attacks.rlb_mi import log_gap
from workbench.attacks.yoshimura import released

INSIDE = torch.tensor([[1.5, -1.0, -1.0, -1.0, 0.0, 0.0]])  # a latent of class 0, not far from the others


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# BREP-MI


@pytest.mark.parametrize(("radius", "length"), [(2.4, 0.8), (12.0, 3.0)])
def test_brep_mi_steps_a_third_of_the_radius_and_never_more_than_three(radius, length):
    """Against the directions that leave the class, by min(R/3, 3) times their mean share of the points."""
    knobs = {"points": 64, "radius": radius, "inside": 1.0, "steps": 1, "bound": 5.0}
    first, *_, last = frames_of("brep-mi", make_context("brep-mi", classes=(0,), start=INSIDE), **knobs)
    u = Streams(make_context("brep-mi", classes=(0,))).normal(64, 6)[0]
    u = u / u.norm(dim=1, keepdim=True)
    labels = QuadrantVictim()(LinearPrior().decode(INSIDE + radius * u)).argmax(1)
    push = -((labels != 0).float()[:, None] * u).mean(0)
    assert 0 < (labels != 0).float().mean() < 1 and push.norm() > 0.05
    moved = (last.payload.latents - first.payload.latents)[0]
    assert torch.allclose(moved, length * push, atol=1e-4)
    assert last.losses["accepted moves"].tolist() == [1.0] and last.queries == 1 + 64 + 1


def test_brep_mi_grows_the_sphere_by_its_factor_when_enough_points_stay():
    knobs = {"points": 16, "radius": 0.1, "growth": 1.5, "inside": 0.5, "steps": 3}
    *_, last = frames_of("brep-mi", make_context("brep-mi", classes=(0,), start=INSIDE), **knobs)
    assert last.losses["radius"].item() == pytest.approx(0.1 * 1.5**2), "the largest sphere found, not the next"
    assert last.losses["share inside"].item() == 1.0 and last.losses["accepted moves"].item() == 0


# What of several tries is shown


def test_the_best_of_several_tries_is_the_one_of_the_highest_worth():
    worth = torch.tensor([0.1, 0.9, 0.5, 0.8, 0.2, 0.3])
    assert best_of(worth, 3).tolist() == [1, 3] and best_of(worth, 2).tolist() == [1, 3, 5]
    assert best_of(worth, 1).tolist() == [0, 1, 2, 3, 4, 5]


def test_a_frame_of_several_tries_shows_each_candidates_surest():
    context = make_context("ppa", classes=(2, 0))
    frames = SearchFrames(context, torch.zeros(2, 6), 10, tries=2)
    latents = torch.arange(4.0)[:, None].expand(4, 6)
    logits = torch.tensor([[0.0, 0.0, 3.0, 0.0], [0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0], [2.0, 5.0, 0.0, 0.0]])
    images, loss = LinearPrior().decode(latents), torch.tensor([1.0, 2.0, 3.0, 4.0])
    frame = frames.searching(Evaluation(images, latents, loss, {"identity": loss}, logits), torch.ones(4, 6))
    assert torch.equal(frame.payload.latents, latents[[0, 2]]) and torch.equal(frame.payload.images, images[[0, 2]])
    assert frame.losses["identity"].tolist() == [1.0, 3.0]
    p = [math.exp(3) / (math.exp(3) + 3), math.exp(1) / (math.exp(1) + 3)]
    assert frame.payload.confidence.tolist() == pytest.approx(p)


@pytest.mark.parametrize("key", ["ppa", "mirror"])
def test_no_try_is_surer_than_the_one_shown(key):
    """With steps of no size, the tries are the start's: the surest of each class, of which the surest is shown."""
    own = {"ppa": {"crop": 1.0, "kept_by": "confidence"}, "mirror": {"looks": 0, "identity_loss": "cross-entropy"}}[key]
    knobs = dict(tries=3, samples=250, steps=2, lr=1e-4, truncation=0.7, shake=0.0)
    frames = frames_of(key, make_context(key), **knobs, **own)
    *frames, last = [frame for frame in frames if frame.losses]
    again = make_context(key)
    again.prior.sample(4, again.rng)
    if key == "mirror":
        again.prior.sample(5000, again.rng)
    drawn = again.prior.truncate(again.prior.sample(250, again.rng), 0.7)
    wanted = QuadrantVictim()(LinearPrior().decode(drawn)).softmax(1).amax(0)
    assert torch.allclose(frames[0].payload.confidence, wanted, atol=0.01)
    assert torch.allclose(last.payload.confidence, wanted, atol=0.01), "at the end the best of the tries is kept"


def test_the_best_so_far_is_replaced_by_what_is_worth_more_alone():
    context = make_context("deep-bmi", classes=(0, 1))
    best = Best(context, torch.zeros(2, 6), 5)
    tried = torch.arange(24.0).view(2, 2, 6)
    scores = torch.tensor([[[0.2, 0.3, 0.5, 0.0], [0.6, 0.2, 0.1, 0.1]], [[0.1, 0.8, 0.1, 0.0], [0.7, 0.1, 0.1, 0.1]]])
    worth = best.learn(tried, scores, log_confidences)
    assert torch.allclose(worth.exp(), torch.tensor([[0.2, 0.6], [0.8, 0.1]]))
    assert torch.equal(best.latents, torch.stack([tried[0, 1], tried[1, 0]]))
    best.learn(tried + 100, scores * 0.9, log_confidences)
    assert best.confidence.tolist() == pytest.approx([0.6, 0.8]) and best.latents.max() < 100


# Steps


def test_a_nesterov_step_is_the_formula_and_stays_in_its_box():
    value = torch.tensor([[0.5, -0.5]])
    stepper = NesterovSteps(value, lambda: 0.5, project=lambda z: z.clamp(-1, 1))
    stepper.step(torch.tensor([[1.0, -2.0]]), 0.1)  # v = −lr·g; z += 1.5·v
    assert torch.allclose(value, torch.tensor([[0.35, -0.2]]))
    stepper.step(torch.tensor([[1.0, -20.0]]), 0.1)  # v ← 0.5·v − lr·g; z += 1.5·v − 0.5·v_before
    assert torch.allclose(value, torch.tensor([[0.35 + 1.5 * -0.15 + 0.05, 1.0]]))


def test_adams_first_step_is_the_learning_rate_down_the_slope_and_is_projected():
    value = torch.tensor([[0.5, 0.95]])
    AdamSteps(value, project=lambda x: x.clamp(0, 1)).step(torch.tensor([[3.0, -0.2]]), 0.1)
    assert torch.allclose(value, torch.tensor([[0.4, 1.0]]), atol=1e-6)


def test_a_descent_evaluates_once_a_step_and_counts_updates():
    """On f = x²/2 by steps of lr·x: x_k = (1 − lr)^k; frames k = 1, 2 and three updates done."""
    context = make_context("gmi", classes=(0,))
    frames, asked = SearchFrames(context, torch.zeros(1, 6), 3), []

    class Plain:
        def step(self, gradient, lr):
            with torch.no_grad():
                x.sub_(lr * gradient)

    x = torch.ones(1, 6)

    def objective(x):
        asked.append(x.detach().clone())
        image = torch.zeros(1, 1, 8, 8)
        total = x.pow(2).sum(1) / 2
        return Evaluation(image, x, total, {"square": total}, torch.zeros(1, 4))

    shown = list(descend(frames, x, objective, Plain(), lambda step: 0.1 * step, 3))
    factors = [1.0, 0.9, 0.9 * 0.8, 0.9 * 0.8 * 0.7]
    assert [f.step for f in shown] == [1, 2] and frames.done == 3 and not x.requires_grad
    assert len(asked) == 3 and all(
        torch.allclose(a, torch.full((1, 6), f)) for a, f in zip(asked, factors, strict=False)
    )
    assert torch.allclose(x, torch.full((1, 6), factors[3]))
    for frame, factor in zip(shown, factors[1:], strict=False):
        assert frame.losses["square"].item() == pytest.approx(3 * factor**2)
        assert frame.losses["gradient norm"].item() == pytest.approx(6**0.5 * factor)


# White-box objectives


def test_ked_mi_draws_with_the_standard_deviation_of_its_log_variance():
    start = torch.zeros(1, 6)
    context = make_context("ked-mi", classes=(0,), start=start)
    frames = list(frames_of("ked-mi", context, steps=2, lr=1e-4, start_logvar=-3.0, shake=0.0))
    streams = Streams(make_context("ked-mi", classes=(0,)))
    streams.normal(6)  # the draw of the first step
    assert torch.allclose(frames[1].payload.latents, math.exp(-1.5) * streams.normal(6), atol=1e-3)
    assert torch.allclose(frames[2].payload.latents, start, atol=1e-3), "the end is the centre"


def test_the_weight_of_the_divergence_keeps_vmi_near_the_prior():
    ends = [[*frames_of("vmi", make_context("vmi"), divergence=weight, steps=30)][-1] for weight in (0.0, 1.0)]
    free, held = (end.losses["divergence"].mean().item() for end in ends)
    assert held < 0.8 * free


def test_ppa_takes_adams_steps_with_the_papers_betas():
    start, labels = LinearPrior().sample(2, seeded(4)), torch.tensor([0, 1])
    context = make_context("ppa", classes=(0, 1), start=start)
    frames = list(frames_of("ppa", context, steps=4, lr=0.05, crop=1.0, shake=0.0, identity_loss="cross-entropy"))
    w = start.clone().requires_grad_()
    adam = torch.optim.Adam([w], 0.05, betas=(0.1, 0.1))
    for frame in frames[1:]:
        adam.zero_grad()
        torch.nn.functional.cross_entropy(QuadrantVictim()(LinearPrior().decode(w)), labels, reduction="sum").backward()
        adam.step()
        assert torch.allclose(frame.payload.latents, w, atol=1e-3), frame.step


# Black-box parts


def test_a_margin_is_the_log_ratio_to_the_best_other_class():
    scores = torch.tensor([[0.5, 0.3, 0.2]])
    wanted = [math.log(0.5 / 0.3), math.log(0.3 / 0.5), math.log(0.2 / 0.5)]
    assert margins(scores)[0].tolist() == pytest.approx(wanted, abs=1e-5)
    assert log_gap(scores)[0].exp().tolist() == pytest.approx([0.2, 1e-7, 1e-7], abs=1e-6)


def test_hidden_scores_share_evenly_what_the_released_ones_leave():
    context = make_context("yoshimura")
    context.target.k = 2
    images = LinearPrior().decode(LinearPrior().sample(5, seeded()))
    scores, answers = QuadrantVictim()(images).softmax(1), released(context.target)(images)
    assert torch.allclose(answers.sum(1), torch.ones(5), atol=1e-5)
    top, third = scores.topk(2, 1), answers.sort(1).values
    assert torch.allclose(answers.gather(1, top.indices), top.values)
    assert torch.allclose(third[:, 0], third[:, 1]) and torch.allclose(
        third[:, 0], (1 - top.values.sum(1)) / 2, atol=1e-6
    )


def test_yoshimura_walks_down_the_slope_it_has_felt():
    """One step without a limit, along all directions: z − lr·slope, with the slope of the victim's own formula."""
    start = torch.tensor([[0.2, 0.1, 0.0, -0.1, 0.0, 0.0]])
    context = make_context("yoshimura", classes=(0,), start=start)
    context.target.k = 4
    knobs = {"steps": 1, "directions": 6, "difference": 1e-2, "lr": 0.5, "longest": 20.0, "bound": 5.0}
    *_, last = frames_of("yoshimura", context, **knobs)
    again = make_context("yoshimura", classes=(0,))
    Streams(again)
    box = Box.of(LinearPrior(), again.rng, 5.0)
    units = box.to_units(start).requires_grad_()
    loss = -QuadrantVictim()(LinearPrior().decode(box.from_units(units))).log_softmax(1)[:, 0].sum()
    (gradient,) = torch.autograd.grad(loss, units)
    wanted = box.from_units(units.detach() - 0.5 * gradient)
    assert torch.allclose(last.payload.latents, wanted, atol=0.05)
    assert last.losses["slope"].item() == pytest.approx(gradient.norm().item(), rel=0.05)


def climbed(optimiser, steps: int = 40) -> float:
    """Return how far from the top of −‖x − 1‖² an optimiser gets, from zero, for one candidate."""
    rows, last = torch.tensor([0]), torch.zeros(1, 1, 4)
    for _ in range(steps):
        last = optimiser.ask(rows)
        optimiser.tell(rows, last, -(last - 1).pow(2).sum(2))
    return (last - 1).norm(dim=2).min().item()


@pytest.mark.parametrize("kind", [NaturalEvolution, DifferentialEvolution, ParticleSwarm, Annealing, TiledPerturbation])
def test_an_optimiser_climbs(kind):
    streams = Streams(make_context("deep-bmi", classes=(0,)))
    starts = 0.5 * torch.randn(1, 12, 4, generator=seeded())
    assert climbed(kind(starts, 0.3, streams)) < 0.7 < 2.0


def test_a_particle_flies_to_the_best_of_the_swarm_and_not_to_the_worst():
    """A swarm at rest: the best particle stays, the others are drawn towards it, each coordinate by a share of 1.49618."""
    streams = Streams(make_context("deep-bmi", classes=(0,)))
    swarm = ParticleSwarm(torch.tensor([[[0.0], [1.0], [5.0]]]), 0.0, streams)
    swarm.tell(torch.tensor([0]), swarm.points.clone(), torch.tensor([[1.0, 3.0, 2.0]]))
    moved = swarm.points[0, :, 0] - torch.tensor([0.0, 1.0, 5.0])
    assert moved[1] == 0 and 0 < moved[0] <= 1.49618 and -1.49618 * 4 <= moved[2] < 0


def test_annealing_takes_what_is_better_and_seldom_what_is_far_worse():
    chains = Annealing(torch.zeros(1, 200, 1), 0.3, Streams(make_context("deep-bmi", classes=(0,))))
    rows, points = torch.tensor([0]), torch.ones(1, 200, 1)
    chains.tell(rows, torch.zeros(1, 200, 1), torch.zeros(1, 200))
    chains.tell(rows, points, torch.cat([torch.full((1, 100), 1.0), torch.full((1, 100), -2.0)], 1))
    taken = chains.points[0, :, 0]
    assert (taken[:100] == 1).all(), "a better point is always taken"
    assert taken[100:].mean().item() == pytest.approx(math.exp(-2 / 0.97), abs=0.1), "a worse one by Metropolis' rule"


def test_natural_evolution_steps_one_length_along_the_slope_of_its_pairs():
    streams = Streams(make_context("deep-bmi", classes=(0,)))
    search, rows = NaturalEvolution(torch.zeros(1, 5, 3), 0.5, streams, rate=0.4, memory=0.5), torch.tensor([0])
    points = torch.tensor([[[0.0, 0, 0], [1.0, 0, 0], [0, 1.0, 0], [-1.0, 0, 0], [0, -1.0, 0]]])
    search.tell(rows, points, torch.tensor([[2.0, 4.0, 3.0, 1.0, -1.0]]))
    first = 0.4 * 0.5 * 3**0.5 * torch.tensor([[0.6, 0.8, 0.0]])  # the pairs' slopes are 3 and 4
    assert torch.allclose(search.mean, first, atol=1e-6)
    search.pace = 0.25
    search.tell(rows, points + first, torch.tensor([[1.0, 0.0, 1.0, 0.0, 0.0]]))
    # half of the second step goes as before, half along the new slope (0, 1, 0)
    heading = torch.nn.functional.normalize(0.25 * torch.tensor([[0.6, 0.8, 0.0]]) + 0.5 * torch.tensor([[0, 1.0, 0]]))
    assert torch.allclose(search.mean, first + 0.25 * first.norm() * heading, atol=1e-6)
    assert torch.equal(search.ask(rows)[:, 0], search.mean)


def test_of_a_crowd_that_feels_the_way_the_mean_alone_is_shown():
    context = make_context("deep-bmi", classes=(0,))
    best = Best(context, torch.zeros(1, 6), 5)
    scores = torch.tensor([[[0.3, 0.7, 0.0, 0.0], [0.9, 0.1, 0.0, 0.0]]])
    tried = torch.arange(12.0).view(1, 2, 6)
    value = best.learn(tried, scores, log_confidences, shown=1)
    assert torch.equal(best.latents, tried[:, 0]) and value.shape == (1, 2)
    best.learn(tried, scores, log_confidences)
    assert torch.equal(best.latents, tried[:, 1])


def test_a_cloud_names_the_owner_of_each_point():
    cloud = Cloud.around(torch.arange(12.0).view(2, 3, 2))
    assert cloud.owners.tolist() == [0, 0, 0, 1, 1, 1] and torch.equal(cloud.points, torch.arange(12.0).view(6, 2))
    assert around(torch.zeros(2, 2, 3)).owners.tolist() == [0] * 12 + [1] * 12


def test_a_box_is_the_mean_and_its_reach_in_standard_deviations():
    samples = torch.tensor([[0.0, 10.0], [2.0, 10.0], [4.0, 16.0]])
    box = Box.around(samples, 2.0)
    assert torch.allclose(box.mean, torch.tensor([2.0, 12.0])) and torch.allclose(box.std, torch.tensor([2.0, 12**0.5]))
    far = torch.tensor([[100.0, -100.0]])
    assert torch.allclose(box.clamp(far), torch.tensor([[6.0, 12 - 2 * 12**0.5]]))
    assert torch.allclose(box.from_units(box.to_units(far)), far)


class Eigenimages(LinearPrior):
    """Pictures along four orthogonal directions; the third latent changes them most, the first hardly."""

    strengths = torch.tensor([0.01, 0.3, 0.6, 0.1])

    def sample(self, count, rng):
        return torch.randn(count, 4, generator=rng)

    def decode(self, latents):
        return 0.5 + (latents * self.strengths)[:, :, None, None].expand(-1, -1, 2, 2)


def test_a_box_with_axes_is_searched_where_the_picture_changes_most():
    box = Box.of(Eigenimages(), seeded(), 2.0, leading=2)
    assert box.size == 2 and torch.allclose(box.axes.mT @ box.axes, torch.eye(2), atol=1e-5)
    assert torch.allclose(box.axes.abs(), torch.eye(4)[:, [2, 1]], atol=1e-3)
    far = 100 * torch.randn(5, 4, generator=seeded())
    inside = box.clamp(far)
    assert torch.allclose(box.clamp(inside), inside, atol=1e-4)
    assert torch.allclose(inside[:, [0, 3]], box.mean[[0, 3]].expand(5, 2), atol=0.1)
    assert torch.allclose(box.to_units(inside).abs(), torch.full((5, 2), 2.0), atol=1e-4)
    assert torch.allclose(box.from_units(box.to_units(inside)), inside, atol=1e-4)
    step = box.direction(torch.tensor([[0.0, 1.0]]))
    assert torch.allclose(box.mean + step, box.from_units(torch.tensor([[0.0, 1.0]])))


@pytest.mark.parametrize("leading", [0, 4, 9])
def test_a_box_of_all_directions_has_no_axes(leading):
    assert Box.of(Eigenimages(), seeded(), 2.0, leading=leading).axes is None


@pytest.mark.parametrize("name", ["deep-bmi", "yoshimura", "brep-mi"])
def test_a_search_of_leading_directions_stays_among_them(name):
    *_, last = frames_of(name, make_context(name, classes=(0, 1, 2)), leading=4)
    latents = last.payload.latents
    assert latents[:, :4].abs().max() > 0.5, "the quadrants, which change the picture most"
    assert latents[:, 4:].abs().max() < 0.15, "what does nothing of interest stays at its mean"


def test_rlb_mi_rewards_confidence_and_margin():
    """2 log p(z') + 2 log p(a) + 8 log(p − best other), scaled; with α = 0 the state reached is the action."""
    context, attack = make_context("rlb-mi", classes=(1,)), quick("rlb-mi")
    streams = Streams(context)
    box = Box.of(LinearPrior(), context.rng, 1.0)
    best = Best(context, torch.zeros(1, 6), 5, curves=("reward", "critics' error", "temperature"))
    memory, actions = Memory(1, 8, 6, context.device), torch.zeros(1, 2, 6)
    scores = torch.tensor([[[0.1, 0.6, 0.2, 0.1], [0.4, 0.5, 0.1, 0.0]]])
    attack._play(context, best, memory, streams.normal(2, 6), actions, actions, scores, box)
    wanted = [4 * math.log(0.6) + 8 * math.log(0.4), 4 * math.log(0.5) + 8 * math.log(0.1)]
    assert memory.rewards[0, :2].tolist() == pytest.approx([attack.scale * w for w in wanted], rel=1e-4)
    assert best.curves["reward"].item() == pytest.approx(sum(wanted) / 2, rel=1e-4)


def test_an_agent_learns_the_action_that_is_rewarded():
    """Reward −40·(a − ½)² whatever the state: in expectation the action goes to a half."""
    streams = Streams(make_context("rlb-mi", classes=(0,)))
    agents = Agents(1, 1, 32, 3e-3, 0.0, streams, torch.device("cpu"))
    memory = Memory(1, 256, 1, torch.device("cpu"))
    actions = 2 * torch.rand(1, 256, 1, generator=seeded()) - 1
    memory.add(streams.normal(256, 1), actions, -40 * (actions[..., 0] - 0.5).pow(2))
    for _ in range(400):
        agents.learn(memory, 64)
    with torch.no_grad():
        chosen, _ = agents.act(streams.normal(200, 1), streams.normal(200, 1))
    assert chosen.mean().item() == pytest.approx(0.5, abs=0.2)


def test_lokt_draws_more_of_the_class_that_is_rare():
    context = make_context("lokt", classes=(0, 1))
    latents = torch.cat([torch.full((60, 6), 2.0), torch.full((4, 6), -2.0)])
    pool = AnswerPool(latents, torch.tensor([0] * 60 + [1] * 4))
    box = Box(torch.zeros(6), torch.ones(6), 5.0)
    more = quick("lokt", likeness=0.99)._more(context, pool, box, 400)
    share = (more.mean(1) < 0).float().mean().item()
    assert share == pytest.approx((1 / 4) / (1 / 4 + 1 / 60), abs=0.05)


def space() -> PSpace:
    return PSpace(torch.full((6,), -3.0), torch.full((6,), 3.0), activated=False)


def test_a_child_has_most_genes_of_the_fitter_parent():
    context, attack = make_context("mirror-bb", classes=(0,)), quick("mirror-bb", population=1001, mutation=0.0)
    alive = torch.tensor([[1.0], [-1.0]]).expand(2, 6)[None]
    rows = torch.tensor([0])
    children = attack._children(context, alive, torch.tensor([[0.0, -2.0]]), Streams(context), rows, space())
    p = math.exp(0) / (math.exp(0) + math.exp(-2))  # a parent is the fitter one; a gene of two comes from the fitter
    assert (children > 0).float().mean().item() == pytest.approx(p * p + 2 * p * (1 - p) * p, abs=0.02)


def test_the_fittest_parent_stays_in_the_population():
    """So that the mean fitness of a generation is that of its children and of the best until then."""
    frames = list(frames_of("mirror-bb", make_context("mirror-bb"), population=4, mutation=1.0, size=2.0, steps=6))
    for before, now in pairwise(frames[3:]):
        children = now.payload.cloud.view(4, 12, 6)[:, :3]
        sure = QuadrantVictim()(LinearPrior().decode(children.flatten(0, 1))).log_softmax(1).view(4, 3, 4)
        worth = sure.gather(2, torch.arange(4).view(4, 1, 1).expand(4, 3, 1))[..., 0]
        wanted = (worth.sum(1) + before.payload.confidence.log()) / 4
        assert torch.allclose(now.losses["mean of the population"], wanted, atol=1e-3), now.step


def test_the_weight_of_the_typical_keeps_a_search_near_the_mean():
    knobs = {"optimiser": "de", "steps": 30, "pool": 0, "sigma": 1.0, "bound": 3.0}
    ends = [[*frames_of("deep-bmi", make_context("deep-bmi"), typical=t, **knobs)][-1] for t in (0.0, 100.0)]
    free, held = (end.payload.cloud.pow(2).mean().item() for end in ends)
    assert held < 0.1 * free


def test_the_step_size_settles_over_the_last_share_of_the_steps():
    from workbench.attacks.parts.schedules import settling

    assert [settling(done, 0.0) for done in (0.0, 0.5, 0.99)] == [1.0, 1.0, 1.0]
    assert [round(settling(done, 1.0), 6) for done in (0.0, 0.5, 1.0)] == [1.0, 0.5, 0.0]
    assert [round(settling(done, 0.5), 6) for done in (0.5, 0.75, 1.0)] == [1.0, 0.5, 0.0]
