"""MIRROR, black-box: a genetic algorithm on the confidence scores, in the style space made Gaussian.

An, Tao, Xu, Zhang, Backes and Zhang, NDSS 2022, https://doi.org/10.14722/ndss.2022.24335, section IV-C. In
P space, p = LeakyReLU₅(w), a style prior's codes are nearly Gaussian, and each coordinate is clipped to its mean
± `bound` standard deviations. The fittest samples of a pool are the first population; parents are drawn by the
softmax of log p_y, children mix their genes and mutate, and the fittest of all stays.

Departs from the released code: a gene comes from the first parent with probability σ(f₁ − f₂), which there
favours the worse one, and every child mutates by noise of its own. A prior whose latents are Gaussian already is
searched as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.attacks.base import AttackContext, attack
from workbench.attacks.parts.best_so_far import Best
from workbench.attacks.parts.black_box_frames import frames_of_steps
from workbench.attacks.parts.candidate_rng import Streams
from workbench.attacks.parts.p_space import PSpace
from workbench.attacks.parts.questions import ask, log_confidences, pools
from workbench.core.knobs import knob
from workbench.core.records import Access, Frame
from workbench.priors import Prior


@attack(
    "mirror-bb",
    title="MIRROR, black-box",
    access=Access.SCORES,
    prior="style",
    order=33,
    needs=("shared",),
    paper="An et al., NDSS 2022",
    summary="Breeds latents of a style-based generator: the confidence scores decide who has children.",
    departs="A gene comes from the fitter parent with the higher probability, the released code favours the worse "
    "one; every child mutates by noise of its own.",
    presets={"demo": dict(steps=40), "paper": dict(steps=100, population=100, pool=100_000, enough=0.95, bound=1.0)},
)
@dataclass(frozen=True)
class MirrorBlackBox:
    steps: int = knob(100, 1, 100_000, log=True, help="Generations.", unit="steps")
    population: int = knob(24, 3, 2000, log=True, help="Latents alive at a time, for each candidate.", unit="queries")
    pool: int = knob(
        1000,
        1,
        1_000_000,
        log=True,
        help="Samples of the prior asked about for the first population, for all classes together.",
        unit="queries",
    )
    mutation: float = knob(0.1, 0.0, 1.0, live=True, help="Share of a child's genes that mutate.")
    size: float = knob(0.1, 0.0, 2.0, live=True, help="Largest mutation, in standard deviations.")
    bound: float = knob(1.0, 0.1, 5.0, help="Genes are kept within ± this many standard deviations.")
    enough: float = knob(0.999, 0.5, 1.0, help="A candidate is done at this confidence; 1 goes on.")

    def run(self, ctx: AttackContext[Prior]) -> Iterator[Frame]:
        streams, space = Streams(ctx), PSpace.of(ctx.prior, ctx.rng, self.bound)
        start = ctx.start_or(lambda: space.clip(streams.sample(ctx.prior)))
        best = Best(ctx, start, total=-(-self.pool // 256) + 1 + self.steps, curves=("mean of the population",))
        yield from frames_of_steps(ctx, self._steps(ctx, best, streams, space), best.frame)

    def _steps(self, ctx: AttackContext[Prior], best: Best, streams: Streams, space: PSpace) -> Iterator[str]:
        first = best.latents[:, None]
        best.learn(first, ask(ctx, ctx.target.scores, first), log_confidences)
        yield "asking about the start"
        alive = space.to_p(first).repeat(1, self.population, 1)  # (N, P, D)
        fitness = best.worth[:, None].repeat(1, self.population)  # (N, P)
        for pool in pools(ctx, ctx.target.scores, self.pool, space.clip):
            picked = pool.pick(pool.answers, ctx.classes, self.population - 1)
            crowd = pool.latents[picked]
            alive[:, 1:], fitness[:, 1:] = space.to_p(crowd), best.learn(crowd, pool.answers[picked], log_confidences)
            yield "asking about samples of the prior"
        for _ in range(self.steps):
            rows = best.unfinished(self.enough)
            if not len(rows):
                return
            children = self._children(ctx, alive[rows], fitness[rows], streams, rows, space)
            crowd = space.to_w(children)
            worth = best.learn(crowd, ask(ctx, ctx.target.scores, crowd), log_confidences, rows)
            elite = fitness[rows].argmax(1, keepdim=True)
            kept = alive[rows].gather(1, elite[..., None].expand(-1, -1, alive.shape[2]))
            alive[rows] = torch.cat([kept, children], 1)
            fitness[rows] = torch.cat([fitness[rows].gather(1, elite), worth], 1)
            best.curves["mean of the population"][rows] = fitness[rows].mean(1)
            yield ""

    def _children(
        self, ctx: AttackContext[Prior], alive: Tensor, fitness: Tensor, streams: Streams, rows: Tensor, space: PSpace
    ) -> Tensor:
        """Return the next generation but for its fittest parent, (n, P − 1, D), in p."""
        count, d = self.population - 1, alive.shape[2]
        chance = fitness.softmax(1).cumsum(1)
        parents = torch.searchsorted(chance, streams.uniform(2 * count, rows=rows)).clamp(max=alive.shape[1] - 1)
        strength = fitness.gather(1, parents).unflatten(1, (2, count))  # (n, 2, P − 1)
        one, other = alive.gather(1, parents[..., None].expand(-1, -1, d)).unflatten(1, (2, count)).unbind(1)
        inherits = (strength[:, 0] - strength[:, 1]).sigmoid()[..., None]
        child = torch.where(streams.uniform(count, d, rows=rows) < inherits, one, other)
        mutates = streams.uniform(count, d, rows=rows) < ctx.live(self, "mutation")
        reach = ctx.live(self, "size") * (space.high - space.low) / (2 * self.bound)  # in standard deviations
        change = reach * (2 * streams.uniform(count, d, rows=rows) - 1)
        child = torch.where(mutates, child + change, child)
        return torch.minimum(torch.maximum(child, space.low), space.high)
