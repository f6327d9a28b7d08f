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
from workbench.attacks.parts.identity import IdentityKnobs, prepared, preparing_steps
from workbench.attacks.parts.latent_search import AdamSteps, descend
from workbench.attacks.parts.losses import CHOICES
from workbench.attacks.parts.search_frames import Evaluation, SearchFrames
from workbench.attacks.parts.selection import asking_steps, chosen_start, final
from workbench.attacks.parts.views import View, views
from workbench.core.knobs import knob
from workbench.core.records import Access, Frame
from workbench.priors import Prior

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
    summary="Takes any style-based face generator, begins at the samples the target likes best and follows the "
    "Poincaré loss through random crops.",
    presets={
        "demo": dict(samples=1000, tries=2, steps=80, lr=0.02, looks=12),
        "paper": dict(samples=5000, tries=4, steps=70, lr=0.005, looks=100),
    },
)
@dataclass(frozen=True)
class PPA(IdentityKnobs):
    identity_loss: str = knob("poincare", choices=CHOICES, help="How far a candidate is from its class.")
    samples: int = knob(1000, 50, 20000, log=True, help="Prior samples among which every class finds its start.")
    tries: int = knob(2, 1, 16, help="Starts of each candidate; the most robust one is kept at the end.")
    steps: int = knob(80, 1, 2000, log=True, help="Optimisation steps.", unit="steps")
    lr: float = knob(0.02, 1e-4, 1.0, log=True, live=True, help="Adam's step size in w.")
    truncation: float = knob(0.7, 0.1, 1.0, help="How close to the mean face the starting samples lie.")
    crop: float = knob(0.9, 0.4, 1.0, help="Least share of the area that the random crops keep.")
    looks: int = knob(12, 1, 200, help="Random views by which the final selection judges.")

    def run(self, ctx: AttackContext[Prior]) -> Iterator[Frame]:
        chooses = ctx.start is None
        tries, asking = (self.tries, asking_steps(self.samples)) if chooses else (1, 0)
        shown = ctx.start_or(lambda: ctx.prior.truncate(ctx.prior.sample(len(ctx.classes), ctx.rng), self.truncation))
        frames = SearchFrames(ctx, shown, asking + preparing_steps(ctx, self) + self.steps, tries)
        yield frames.waiting()
        w = yield from chosen_start(frames, self.samples, tries, share=self.truncation, mirrored=ctx.flips)
        identity_of = yield from prepared(frames, self)
        streams, view = Streams(ctx), View(scale=(self.crop, 1.0))

        def evaluated(w: Tensor, tries: int) -> Evaluation:
            labels = ctx.classes.repeat_interleave(tries)
            images = ctx.prior.decode(w, labels)
            identity, logits = identity_of(views(view, images, streams, tries), labels)
            return Evaluation(images, w, identity, {"identity": identity}, logits)

        yield from descend(
            frames,
            w,
            lambda w: evaluated(w, tries),
            AdamSteps(w, betas=(0.1, 0.1)),
            lambda step: ctx.live(self, "lr"),
            self.steps,
        )
        labels = ctx.classes.repeat_interleave(tries)
        rows, _ = final(ctx, w, labels, tries, replace(KEPT, mirror=0.5 * ctx.flips), self.looks)
        with torch.no_grad():
            end = evaluated(w[rows], 1)
            note = f"kept the most robust of {tries}" if tries > 1 else ""
            yield frames.closing(end, note, logits=ctx.target.logits(end.images))
