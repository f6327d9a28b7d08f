"""BREP-MI: walk away from a class's boundary, knowing nothing but labels.

Kahla, Chen, Just and Jia, CVPR 2022, https://arxiv.org/abs/2203.01925, Algorithm 1. On a sphere of radius R
around z, points u_i that leave the class push z away, g = 1/P Σ (b_i − 1)/2 · u_i / R with b_i = ±1; where
nearly all points stay inside, R grows, and the larger the sphere, the deeper in the class z lies.

Departs from the released code: candidates of all classes are asked about together, a search for a start that
finds none ends at `draws`, and a candidate all of whose moves are refused ends at `refusals`; there, both go
on for ever. Shown is the latent with the largest sphere found, which is what the paper evaluates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.attacks.base import AttackContext, attack
from workbench.attacks.parts.black_box_frames import frames_of_steps
from workbench.attacks.parts.box import LEADING, Box
from workbench.attacks.parts.candidate_rng import Streams
from workbench.attacks.parts.clouds import Cloud
from workbench.attacks.parts.questions import AnswerPool, ask, pools
from workbench.core.knobs import knob
from workbench.core.payloads import Images
from workbench.core.records import Access, Frame
from workbench.priors import Prior

SHOWN = 12  # points of a sphere that are drawn
LONGEST = 3.0  # step, as in the paper's code


@attack(
    "brep-mi",
    title="BREP-MI",
    access=Access.LABEL,
    prior="gan",
    order=40,
    needs=("shared",),
    paper="Kahla et al., CVPR 2022",
    summary="Sees only the predicted class: finds a latent of the class and walks away from its boundary.",
    presets={
        "demo": dict(steps=40),
        "paper": dict(steps=3000, points=32, radius=2.0, draws=50000, patience=1000, refusals=500),
    },
)
@dataclass(frozen=True)
class BREPMI:
    steps: int = knob(200, 1, 20000, log=True, help="Iterations: a sphere and a move each.", unit="steps")
    points: int = knob(32, 2, 512, log=True, help="Points asked about on each sphere.", unit="queries")
    radius: float = knob(2.0, 0.05, 20.0, log=True, help="Radius of the first sphere.")
    growth: float = knob(1.3, 1.01, 3.0, live=True, help="By how much the radius grows.")
    inside: float = knob(
        0.75, 0.1, 1.0, live=True, help="It grows when more than this share of points stays in the class."
    )
    bound: float = knob(1.5, 0.1, 5.0, help="Latents are kept within ± this many standard deviations of the prior's.")
    leading: int = knob(0, 0, 4096, help=LEADING, unit="directions")
    draws: int = knob(
        3000,
        1,
        1_000_000,
        log=True,
        help="Most samples of the prior asked about to find starts, for all classes together.",
        unit="queries",
    )
    patience: int = knob(
        1000, 1, 20000, log=True, help="A candidate is done after so many iterations at one radius.", unit="steps"
    )
    refusals: int = knob(
        100,
        1,
        20000,
        log=True,
        help="A candidate is done after so many moves in a row that would have left its class.",
        unit="steps",
    )

    def run(self, ctx: AttackContext[Prior]) -> Iterator[Frame]:
        streams, box = Streams(ctx), Box.of(ctx.prior, ctx.rng, self.bound, self.leading)
        walk = _Walk(
            ctx,
            box.clamp(ctx.start_or(lambda: streams.sample(ctx.prior))),
            self.radius,
            total=-(-self.draws // 256) + 1 + self.steps,
        )
        yield from frames_of_steps(ctx, self._steps(ctx, walk, streams, box), walk.frame)

    def _steps(self, ctx: AttackContext[Prior], walk: _Walk, streams: Streams, box: Box) -> Iterator[str]:
        active = ask(ctx, ctx.target.labels, walk.z) == ctx.classes
        yield "looking for a sample of each class"
        for pool in pools(ctx, ctx.target.labels, self.draws, box.clamp) if not active.all() else ():
            active |= walk.begin(pool, ~active)
            yield "looking for a sample of each class"
            if active.all():
                break
        note = "" if active.all() else "no sample of the prior is taken for some of the classes; those stay as drawn"
        for _ in range(self.steps):
            rows = active.nonzero()[:, 0]  # read back, so that the target is not asked about those that are done
            if not len(rows):
                return
            self._advance(ctx, walk, streams, box, rows)
            active &= (walk.stale < self.patience) & (walk.refused < self.refusals)
            yield note

    def _advance(self, ctx: AttackContext[Prior], walk: _Walk, streams: Streams, box: Box, rows: Tensor) -> None:
        """Ask about a sphere around each of `rows`; grow it or move its centre."""
        classes, centre, radius = ctx.classes[rows], walk.z[rows], walk.radius[rows]
        u = streams.normal(self.points, box.size, rows=rows)
        u = box.direction(u / u.norm(dim=2, keepdim=True))  # (n, P, D) on the unit sphere
        around = centre[:, None] + radius[:, None, None] * u
        outside = ask(ctx, ctx.target.labels, around) != classes[:, None]  # (n, P), b = −1
        share = 1 - outside.float().mean(1)
        grows = share > ctx.live(self, "inside")
        walk.look(rows, around, share)
        walk.grow(rows[grows], ctx.live(self, "growth"))
        rows, centre, radius, classes = rows[~grows], centre[~grows], radius[~grows], classes[~grows]
        if len(rows):
            push = -(outside[~grows, :, None] * u[~grows]).mean(1)
            proposal = box.clamp(centre + (radius / 3).clamp(max=LONGEST)[:, None] * push)
            walk.move(rows, proposal, ask(ctx, ctx.target.labels, proposal) == classes)


class _Walk:
    """Where every candidate stands: N latents with a sphere around each."""

    def __init__(self, ctx: AttackContext[Prior], z: Tensor, radius: float, total: int) -> None:
        n = len(z)
        self.ctx, self.total, self.z, self.best = ctx, total, z, z.clone()
        self.radius, self.found = z.new_full((n,), radius), z.new_zeros(n)  # of the next sphere, of the largest found
        self.share, self.moves = z.new_zeros(n), z.new_zeros(n)
        self.stale, self.refused = (torch.zeros(n, dtype=torch.long, device=z.device) for _ in range(2))
        self.cloud = z[:, None].repeat(1, SHOWN, 1)

    def begin(self, pool: AnswerPool, wanted: Tensor) -> Tensor:
        """Start each of the `wanted` (N,) from a sample of its class, if the pool has one; return (N,) which did."""
        labels = torch.arange(self.ctx.target.num_classes, device=pool.answers.device)
        own = pool.answers[:, None] == labels  # (P, K)
        reached = own.any(0)[self.ctx.classes] & wanted
        starts = pool.best(own.float(), self.ctx.classes, among=own)[:, 0]
        self.z = torch.where(reached[:, None], starts, self.z)
        self.best = self.z.clone()
        return reached

    def look(self, rows: Tensor, around: Tensor, share: Tensor) -> None:
        points = around[:, :SHOWN]
        self.cloud[rows, : points.shape[1]] = points
        self.share[rows] = share
        self.stale[rows] += 1

    def grow(self, rows: Tensor, growth: float) -> None:
        self.best[rows], self.found[rows] = self.z[rows], self.radius[rows]
        self.radius[rows] *= growth
        self.stale[rows] = 0
        self.refused[rows] = 0

    def move(self, rows: Tensor, to: Tensor, allowed: Tensor) -> None:
        self.z[rows[allowed]] = to[allowed]
        self.moves[rows[allowed]] += 1
        self.refused[rows] = torch.where(allowed, 0, self.refused[rows] + 1)
        still = rows[self.found[rows] == 0]  # until the first sphere is found, the centre is all there is
        self.best[still] = self.z[still]

    def frame(self, step: int, note: str) -> Frame:
        with torch.no_grad():
            images = self.ctx.prior.decode(self.best)
        cloud = Cloud.around(self.cloud)
        return Frame(
            step,
            self.total,
            Images(images, self.best, cloud=cloud.points, cloud_of=cloud.owners),
            losses={"radius": self.found, "share inside": self.share, "accepted moves": self.moves},
            queries=self.ctx.target.queries,
            note=note,
        )
