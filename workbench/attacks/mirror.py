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
from workbench.attacks.parts.latent_search import AdamSteps, descend
from workbench.attacks.parts.p_space import PSpace
from workbench.attacks.parts.search_frames import Evaluation, SearchFrames, best_of
from workbench.attacks.parts.selection import asking_steps, chosen_start
from workbench.attacks.parts.views import View, views
from workbench.core.knobs import knob
from workbench.core.records import Access, Frame
from workbench.priors import Prior


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

    def run(self, ctx: AttackContext[Prior]) -> Iterator[Frame]:
        chooses = ctx.start is None
        tries, asking = (self.tries, asking_steps(self.samples)) if chooses else (1, 0)
        shown = ctx.start_or(lambda: ctx.prior.truncate(ctx.prior.sample(len(ctx.classes), ctx.rng), self.truncation))
        frames = SearchFrames(ctx, shown, asking + preparing_steps(ctx, self) + self.steps, tries)
        yield frames.waiting()
        space = PSpace.of(ctx.prior, ctx.rng, self.reach, self.truncation)
        w = yield from chosen_start(frames, self.samples, tries, share=self.truncation, mirrored=False)
        w = space.clip(w) if chooses else w  # (N·tries, D)
        identity_of = yield from prepared(frames, self)
        streams, view = Streams(ctx), View(mirror=0.5)
        lowest, best = torch.full((len(w),), torch.inf, device=w.device), w.clone()

        def evaluated(w: Tensor, tries: int) -> Evaluation:
            labels = ctx.classes.repeat_interleave(tries)
            images = ctx.prior.decode(w, labels)
            seen = views(view, images, streams, tries) if ctx.flips else images
            identity, logits = identity_of(seen, labels)
            return Evaluation(images, w, 10 * identity, {"identity": identity}, logits)

        def objective(w: Tensor) -> Evaluation:
            now = evaluated(w, tries)
            with torch.no_grad():
                better = now.losses["identity"] < lowest
                best.copy_(torch.where(better[:, None], w, best))
                lowest.copy_(torch.where(better, now.losses["identity"], lowest))
            return now

        def lr(step: int) -> float:
            return ctx.live(self, "lr") * ramp(step, self.steps + 1)  # nothing would move at the ramp's own end

        yield from descend(frames, w, objective, AdamSteps(w, project=space.clip), lr, self.steps)
        with torch.no_grad():
            objective(w)  # the last step may have met the lowest loss
            end = evaluated(best[best_of(-lowest, tries)], 1)
            yield frames.closing(end, "the lowest loss met", logits=ctx.target.logits(end.images))
