"""MIRROR, white-box: stay where the style generator is at home, in p space, while following the target.

An, Tao, Xu, Liu, Shen, Yao, Xu and Zhang, NDSS 2022. p is w before the mapping network's last activation; its
coordinates are close to normal, so that clipping each to its mean ± one standard deviation keeps faces faces
(section IV-C). Starts from the samples that the target is surest of; the latent of the lowest loss is kept.
https://www.ndss-symposium.org/ndss-paper/auto-draft-203/
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.attacks.base import AttackContext, attack
from workbench.attacks.parts.candidate_rng import Streams
from workbench.attacks.parts.identity import IdentityKnobs, prepared, preparing_steps
from workbench.attacks.parts.latent_search import AdamSteps, Search, Terms, best_of, closing_frame, starting_frame
from workbench.attacks.parts.p_space import PSpace
from workbench.attacks.parts.selection import CHUNK, initial
from workbench.attacks.parts.views import View, views
from workbench.core.knobs import knob
from workbench.core.records import Access, Frame


def ramp(step: int, steps: int, up: float = 0.05, down: float = 0.25) -> float:
    """Return the share of the learning rate at a step: linear up, flat, cosine down, as StyleGAN2's projector."""
    t = step / steps
    falling = min(1.0, (1 - t) / down)
    return (0.5 - 0.5 * math.cos(math.pi * falling)) * min(1.0, t / up)


@attack(
    "mirror",
    title="MIRROR",
    access=Access.WHITE_BOX,
    prior="style",
    survey_ref=None,
    order=7,
    public=True,
    needs=("shared",),
    paper="An et al., NDSS 2022",
    summary="Follows the target through a style-based generator, clipped to where that generator draws faces.",
    presets={
        "demo": dict(samples=1000, tries=2, steps=80, lr=0.05),
        "paper": dict(samples=20000, tries=8, steps=2000, lr=0.2),
    },
)
@dataclass(frozen=True)
class Mirror(IdentityKnobs):
    samples: int = knob(1000, 50, 100000, log=True, help="Prior samples among which every class finds its start.")
    tries: int = knob(2, 1, 16, help="Starts of each candidate; the one of the lowest loss is kept.")
    steps: int = knob(80, 1, 20000, log=True, help="Optimisation steps.", unit="steps")
    lr: float = knob(0.05, 1e-4, 1.0, log=True, live=True, help="Adam's step size in w, at its height.")
    truncation: float = knob(0.7, 0.1, 1.0, help="How close to the mean face samples lie.")
    reach: float = knob(1.0, 0.2, 4.0, help="Half the box in p space.", unit="standard deviations")

    def run(self, ctx: AttackContext) -> Iterator[Frame]:
        n, tries = len(ctx.classes), self.tries if ctx.start is None else 1
        asking = -(-self.samples // CHUNK) if ctx.start is None else 0
        before = asking + preparing_steps(ctx, self)
        total = before + self.steps + 1
        shown = (
            ctx.start if ctx.start is not None else ctx.prior.truncate(ctx.prior.sample(n, ctx.rng), self.truncation)
        )
        yield (first := starting_frame(ctx, shown, total))

        def waiting(step: int, note: str) -> Frame:
            return Frame(step, total, first.payload, queries=ctx.target.queries, note=note)

        space, w = PSpace.of(ctx.prior, ctx.rng, self.reach, self.truncation), shown.clone()
        if ctx.start is None:
            for step, found in enumerate(initial(ctx, self.samples, tries, share=self.truncation, mirrored=False), 1):
                if not isinstance(found, str):
                    w = space.clip(found)
                elif ctx.due(step):
                    yield waiting(step, found)
        labels = ctx.classes.repeat_interleave(tries)
        identity = yield from prepared(ctx, self, lambda step, note: waiting(asking + step, note))
        streams, view = Streams(ctx), View(mirror=0.5)
        lowest, best = torch.full((len(w),), torch.inf, device=w.device), w.clone()

        def score(images: Tensor, latents: Tensor) -> Terms:
            seen = views(view, images, streams, tries) if ctx.flips else images
            named, logits = identity(seen, labels)
            with torch.no_grad():
                better = named < lowest
                best.copy_(torch.where(better[:, None], latents, best))
                lowest.copy_(torch.where(better, named, lowest))
            return Terms(10 * named, {"identity": named}, logits)

        search = Search(
            ctx,
            w,
            score,
            AdamSteps(w),
            lambda step: ctx.live(self, "lr") * ramp(step, self.steps),
            self.steps,
            total,
            project=lambda value: value.copy_(space.clip(value)),
            labels=labels,
            pick=best_of(tries),
            offset=before,
        )
        yield from search.run(show_last=False)
        grouped = lowest.view(-1, tries)
        rows = grouped.argmin(1) + tries * torch.arange(n, device=w.device)
        yield closing_frame(ctx, best[rows], total, "the lowest loss met")
