"""PPA: plug and play. Start from the samples the target likes, follow the Poincaré loss, keep what is robust.

Struppek, Hintersdorf, De Almeida Correia, Adler and Kersting, ICML 2022, https://arxiv.org/abs/2201.12179.
Nothing is trained against the target: any style-based prior of public faces will do. Three steps: initial
selection by confidence over image and mirror image (3.2), Adam on w with random crops (3.3, eq. 5), final
selection by the mean confidence over random views (3.4).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from workbench.attacks.base import AttackContext, attack
from workbench.attacks.parts.candidate_rng import Streams
from workbench.attacks.parts.identity import prepared, preparing_steps
from workbench.attacks.parts.latent_search import AdamSteps, descend
from workbench.attacks.parts.losses import CHOICES
from workbench.attacks.parts.robust import RobustKnobs, by_confidence, by_logit, judged, kept_of, most_robust, shaking
from workbench.attacks.parts.schedules import settling
from workbench.attacks.parts.search_frames import Evaluation, SearchFrames
from workbench.attacks.parts.selection import TRUNCATION, asking_steps, chosen_start, drawn_starts
from workbench.attacks.parts.views import View
from workbench.core.knobs import knob
from workbench.core.records import Access, Frame
from workbench.priors import Prior

KEPT_BY = {"logit": "Logit", "confidence": "Confidence (the paper's)"}
KEPT = View(scale=(0.5, 0.9), ratio=(0.8, 1.2))


@attack(
    "ppa",
    title="PPA",
    access=Access.WHITE_BOX,
    prior="style",
    survey_ref=18,
    order=5,
    public=True,
    needs=("shared",),
    paper="Struppek et al., ICML 2022",
    summary="Takes any style-based face generator, begins at the samples the target likes best and follows it "
    "through random crops.",
    departs="Demo preset: max-margin loss, untruncated samples, shifted and scaled views, two starts of 1,000 "
    "samples, kept by mean logit, where the paper takes the Poincaré loss, samples truncated to 0.5 and "
    "200 of 5,000 a class, of which it keeps 50 by mean confidence. On targets of few classes the "
    "Poincaré loss is content long before the image is like its class.",
    presets={
        "demo": dict(samples=1000, tries=2, steps=80, lr=0.02, looks=12),
        "paper": dict(
            identity_loss="poincare",
            samples=5000,
            candidates=200,
            shake=0.0,
            steps=70,
            lr=0.005,
            truncation=0.5,
            looks=100,
            kept_by="confidence",
        ),
    },
)
@dataclass(frozen=True)
class PPA(RobustKnobs):
    identity_loss: str = knob("max-margin", choices=CHOICES, help="How far a candidate is from its class.")
    samples: int = knob(1000, 50, 20000, log=True, help="Prior samples among which every class finds its start.")
    tries: int = knob(2, 1, 16, help="Starts of each candidate; the most robust one is kept at the end.")
    candidates: int = knob(
        0,
        0,
        200,
        help="Starts of each class, which its restarts share and of which they keep the best, in place of tries of each; "
        "the paper's are 200, of which it keeps 50. 0 for tries of each candidate.",
    )
    steps: int = knob(80, 1, 2000, log=True, help="Optimisation steps.", unit="steps")
    lr: float = knob(0.02, 1e-4, 1.0, log=True, live=True, help="Adam's step size in w.")
    settle: float = knob(
        0.0,
        0.0,
        1.0,
        help="Share of the steps, the last ones, over which the step size falls to nothing; the paper's is 0.",
    )
    truncation: float = knob(1.0, 0.1, 1.0, help=TRUNCATION)
    crop: float = knob(0.9, 0.4, 1.0, help="Least share of the area that the random crops keep.")
    looks: int = knob(12, 1, 200, help="Random views by which the final selection judges.")
    kept_by: str = knob("logit", choices=KEPT_BY, help="What the final selection takes the mean of.")

    def run(self, ctx: AttackContext[Prior]) -> Iterator[Frame]:
        chooses = ctx.start is None
        shared = chooses and self.candidates > 0
        tries = max(1, self.candidates // ctx.restarts) if shared else self.tries
        tries, asking = (tries, asking_steps(self.samples)) if chooses else (1, 0)
        shown = drawn_starts(ctx, 1, self.truncation)
        frames = SearchFrames(ctx, shown, asking + preparing_steps(ctx, self) + self.steps, tries)
        yield frames.waiting()
        w = yield from chosen_start(frames, self.samples, tries, share=self.truncation, mirrored=ctx.flips)
        identity_of = yield from prepared(frames, self)
        streams, labels = Streams(ctx), ctx.classes.repeat_interleave(tries)
        shaken = shaking(self.shake, ctx.flips) or View()
        view = replace(shaken, scale=(self.crop, shaken.scale[1]))

        def evaluated(w: Tensor, labels: Tensor) -> Evaluation:
            images = ctx.prior.decode(w, labels)
            identity, logits = judged(identity_of, images, labels, view, streams)
            return Evaluation(images, w, identity, {"identity": identity}, logits)

        yield from descend(
            frames,
            w,
            lambda w: evaluated(w, labels),
            AdamSteps(w, betas=(0.1, 0.1)),
            lambda step: ctx.live(self, "lr") * settling(step / self.steps, self.settle),
            self.steps,
        )
        worth = by_logit if self.kept_by == "logit" else by_confidence
        with torch.no_grad():
            images = ctx.prior.decode(w, labels)
            rows = most_robust(ctx, images, labels, tries, self.looks, KEPT, worth, shared)
            end = evaluated(w[rows], ctx.classes)
            yield frames.closing(end, kept_of(tries), logits=ctx.target.logits(end.images))
