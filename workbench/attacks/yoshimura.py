"""Yoshimura et al.: follow a gradient estimated from five released scores, by finite differences.

Yoshimura et al., "Model inversion attack against a face recognition system in a black-box
setting", APSIPA ASC 2021, http://www.apsipa.org/proceedings/2021/pdfs/0001800.pdf: the target names only its five best
classes with their scores, and a generator's latent descends the cross-entropy, g_j = (L(z + ε e_j) − L(z)) / ε.

After the paper's description; no code was released. Departs from it: all coordinates at once are too dear, so
that each step differentiates along a few random orthonormal directions; a class that is not among the five is
given an equal part of the confidence that they leave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.attacks.base import AttackContext, attack
from workbench.attacks.parts.best_so_far import Best
from workbench.attacks.parts.black_box_frames import frames_of_steps
from workbench.attacks.parts.box import LEADING, Box
from workbench.attacks.parts.candidate_rng import Streams
from workbench.attacks.parts.questions import ask, log_confidences, pools
from workbench.core.knobs import knob
from workbench.core.records import Access, Frame
from workbench.priors import Prior
from workbench.targets import TargetView


@attack(
    "yoshimura",
    title="Yoshimura et al., finite differences",
    access=Access.TOP_K,
    prior="gan",
    survey_ref=35,
    order=34,
    needs=("shared",),
    paper="Yoshimura et al., APSIPA 2021",
    summary="Sees only the five best scores: feels for the slope along random directions and walks down it.",
    presets={"demo": dict(steps=50), "paper": dict(steps=5000, directions=64, pool=10_000)},
)
@dataclass(frozen=True)
class Yoshimura:
    steps: int = knob(100, 1, 100_000, log=True, help="Gradient steps.", unit="steps")
    directions: int = knob(16, 1, 512, log=True, help="Directions differentiated along in a step.", unit="queries")
    difference: float = knob(
        0.3,
        1e-3,
        3.0,
        log=True,
        live=True,
        help="Length ε of a difference, in standard deviations of the prior's latents.",
    )
    lr: float = knob(1.0, 1e-3, 10.0, log=True, live=True, help="Step size.")
    longest: float = knob(1.5, 0.01, 20.0, live=True, help="No step is longer than this.")
    bound: float = knob(2.0, 0.1, 5.0, help="Latents are kept within ± this many standard deviations.")
    leading: int = knob(0, 0, 4096, help=LEADING, unit="directions")
    pool: int = knob(
        1000,
        0,
        1_000_000,
        help="Samples of the prior asked about for the start, for all classes together.",
        unit="queries",
    )

    def run(self, ctx: AttackContext[Prior]) -> Iterator[Frame]:
        streams, box = Streams(ctx), Box.of(ctx.prior, ctx.rng, self.bound, self.leading)
        start = box.clamp(ctx.start_or(lambda: streams.sample(ctx.prior)))
        best = Best(ctx, start, total=-(-self.pool // 256) + 1 + self.steps, curves=("slope",))
        yield from frames_of_steps(ctx, self._steps(ctx, best, streams, box, released(ctx.target)), best.frame)

    def _steps(
        self, ctx: AttackContext[Prior], best: Best, streams: Streams, box: Box, question: Callable[[Tensor], Tensor]
    ) -> Iterator[str]:
        best.learn(best.latents[:, None], ask(ctx, question, best.latents[:, None]), log_confidences)
        yield "asking about the start"
        for pool in pools(ctx, question, self.pool, box.clamp) if ctx.start is None else ():
            picked = pool.pick(pool.answers, ctx.classes)
            best.learn(pool.latents[picked], pool.answers[picked], log_confidences)
            yield "asking about samples of the prior"
        here, loss = box.to_units(best.latents), -best.worth[:, None]  # (N, D) and (N, 1)
        for _ in range(self.steps):
            epsilon = ctx.live(self, "difference")
            e = torch.linalg.qr(streams.normal(here.shape[1], min(self.directions, here.shape[1]))).Q.mT  # (N, b, D)
            around = box.clamp(box.from_units(here[:, None] + epsilon * e))
            differences = -best.learn(around, ask(ctx, question, around), log_confidences) - loss  # (N, b)
            slope = ((differences / epsilon)[..., None] * e).sum(1)
            step = ctx.live(self, "lr") * slope
            step *= (ctx.live(self, "longest") / step.norm(dim=1, keepdim=True).clamp(min=1e-12)).clamp(max=1)
            moved = box.clamp(box.from_units(here - step))[:, None]
            loss = -best.learn(moved, ask(ctx, question, moved), log_confidences)
            here = box.to_units(moved[:, 0])
            best.curves["slope"] = slope.norm(dim=1)
            yield ""


def released(target: TargetView) -> Callable[[Tensor], Tensor]:
    """Return the question whose answers (n, K) are the released scores, the hidden classes sharing what is left."""

    def question(images: Tensor) -> Tensor:
        values, classes = target.top_k(images)
        hidden = target.num_classes - values.shape[1]
        left = (1 - values.sum(1, keepdim=True)).clamp(min=0) / max(hidden, 1)
        return left.expand(-1, target.num_classes).scatter(1, classes, values)

    return question
