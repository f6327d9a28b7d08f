"""MIRROR, white-box: stay where the style generator is at home, in p space, while following the target.

An, Tao, Xu, Liu, Shen, Yao, Xu and Zhang, NDSS 2022. p is w before the mapping network's last activation; its
coordinates are close to normal, so that clipping each to its mean ± one standard deviation keeps faces faces
(section IV-C). Starts from the samples that the target is surest of; the latent of the lowest loss is kept.
https://www.ndss-symposium.org/ndss-paper/auto-draft-203/
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.attacks.base import AttackContext, attack
from workbench.attacks.parts.candidate_rng import Streams
from workbench.attacks.parts.identity import prepared, preparing_steps
from workbench.attacks.parts.latent_search import AdamSteps, descend
from workbench.attacks.parts.losses import CHOICES
from workbench.attacks.parts.p_space import PSpace
from workbench.attacks.parts.robust import RobustKnobs, judged, kept_of, most_robust, shaking
from workbench.attacks.parts.schedules import ramp
from workbench.attacks.parts.search_frames import Evaluation, SearchFrames, best_of
from workbench.attacks.parts.selection import TRUNCATION, asking_steps, chosen_start, drawn_starts
from workbench.attacks.parts.views import View
from workbench.core.knobs import knob
from workbench.core.records import Access, Frame
from workbench.priors import Prior


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
    departs="Demo preset: max-margin loss, random shifts and scales beside mirroring, a box of three standard deviations "
    "and the more robust of two starts, where the paper takes cross-entropy, one standard deviation and "
    "the lowest loss of eight.",
    presets={
        "demo": dict(samples=1000, tries=2, steps=200, lr=0.2, reach=3.0),
        "paper": dict(
            identity_loss="cross-entropy", samples=100_000, tries=8, shake=0.0, looks=0, steps=20_000, lr=0.25
        ),
    },
)
@dataclass(frozen=True)
class Mirror(RobustKnobs):
    identity_loss: str = knob("max-margin", choices=CHOICES, help="How far a candidate is from its class.")
    samples: int = knob(1000, 50, 100000, log=True, help="Prior samples among which every class finds its start.")
    tries: int = knob(2, 1, 16, help="Starts of each candidate; the one that is most robust at the end is kept.")
    steps: int = knob(200, 1, 20000, log=True, help="Optimisation steps.", unit="steps")
    lr: float = knob(0.2, 1e-4, 1.0, log=True, live=True, help="Adam's step size in w, at its height.")
    truncation: float = knob(0.7, 0.1, 1.0, help=TRUNCATION)
    reach: float = knob(1.0, 0.2, 6.0, help="Half the box in p space.", unit="standard deviations")

    def run(self, ctx: AttackContext[Prior]) -> Iterator[Frame]:
        chooses = ctx.start is None
        tries, asking = (self.tries, asking_steps(self.samples)) if chooses else (1, 0)
        shown = drawn_starts(ctx, 1, self.truncation)
        frames = SearchFrames(ctx, shown, asking + preparing_steps(ctx, self) + self.steps, tries)
        yield frames.waiting()
        space = PSpace.of(ctx.prior, ctx.rng, self.reach)
        w = yield from chosen_start(frames, self.samples, tries, share=self.truncation, mirrored=False)
        w = space.clip(w) if chooses else w  # (N·tries, D)
        identity_of = yield from prepared(frames, self)
        streams, view = Streams(ctx), shaking(self.shake, ctx.flips)
        if view is None and ctx.flips:
            view = View(mirror=0.5)  # the paper's one transformation
        labels = ctx.classes.repeat_interleave(tries)
        lowest, best = torch.full((len(w),), torch.inf, device=w.device), w.clone()

        def evaluated(w: Tensor, labels: Tensor) -> Evaluation:
            images = ctx.prior.decode(w, labels)
            identity, logits = judged(identity_of, images, labels, view, streams)
            return Evaluation(images, w, 10 * identity, {"identity": identity}, logits)

        def objective(w: Tensor) -> Evaluation:
            now = evaluated(w, labels)
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
            rows = (
                most_robust(ctx, ctx.prior.decode(best, labels), labels, tries, self.looks)
                if self.looks
                else best_of(-lowest, tries)
            )
            end, note = evaluated(best[rows], ctx.classes), "the lowest loss met"
            yield frames.closing(end, kept_of(tries) if self.looks else note, logits=ctx.target.logits(end.images))
