"""PLG-MI: search a conditional GAN that pseudo-labels have tuned to the target, with a loss that never fades.

Yuan, Chen, Zhang, Zhang and Yu, AAAI 2023, https://arxiv.org/abs/2302.09814. The prior draws each class
separately, so that the search begins near its goal; the max-margin loss (eq. 6) keeps its gradient where
cross-entropy is already satisfied. Two fresh views of each image are judged in every step.
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
from workbench.attacks.parts.robust import RobustKnobs, judged, kept_of, most_robust
from workbench.attacks.parts.search_frames import Evaluation, SearchFrames
from workbench.attacks.parts.selection import TRUNCATION, drawn_starts
from workbench.attacks.parts.views import View
from workbench.core.knobs import knob
from workbench.core.records import Access, Frame
from workbench.priors import Prior

LOOKS = 2


@attack(
    "plg-mi",
    title="PLG-MI",
    access=Access.WHITE_BOX,
    prior="conditional-gan",
    survey_ref=None,
    order=6,
    public=True,
    paper="Yuan et al., AAAI 2023",
    summary="Searches a generator that draws each class separately, trained on public images which the target "
    "itself has labelled.",
    departs="Demo preset: 80 steps, where the paper takes 600. "
    "The shipped priors took a few hundred steps with one of the discriminator each, the paper's 30,000 "
    "with five: their classes differ by a pattern that convinces the target more than by a face.",
    presets={"demo": dict(steps=80, lr=0.05), "paper": dict(steps=600, lr=0.1)},
)
@dataclass(frozen=True)
class PLGMI(RobustKnobs):
    identity_loss: str = knob("max-margin", choices=CHOICES, help="How far a candidate is from its class.")
    shake: float = knob(
        0.0, 0.0, 0.3, help="Random shifts beside the crops below, as a share of the image's side; the paper has none."
    )
    tries: int = knob(1, 1, 16, help="Starts of each candidate; the one that is most robust at the end is kept.")
    steps: int = knob(80, 1, 5000, log=True, help="Optimisation steps.", unit="steps")
    lr: float = knob(0.05, 1e-4, 1.0, log=True, live=True, help="Adam's step size in z.")
    truncation: float = knob(1.0, 0.0, 1.0, help=TRUNCATION)
    crop: float = knob(0.8, 0.4, 1.0, help="Least share of the area that a view keeps.")
    jitter: float = knob(0.2, 0.0, 0.5, help="Largest change of a view's brightness and contrast.")
    degrees: float = knob(5.0, 0.0, 45.0, help="Largest turn of a view.", unit="°")

    def run(self, ctx: AttackContext[Prior]) -> Iterator[Frame]:
        tries = self.tries if ctx.start is None else 1
        z = drawn_starts(ctx, tries, self.truncation)  # (N·tries, D)
        frames = SearchFrames(ctx, z[::tries], preparing_steps(ctx, self) + self.steps, tries)
        yield frames.waiting()
        identity_of = yield from prepared(frames, self)
        streams, labels = Streams(ctx), ctx.classes.repeat_interleave(tries)
        view = View(
            scale=(self.crop, 1.0),
            shift=self.shake,
            mirror=0.5 * ctx.flips,
            degrees=self.degrees,
            light=self.jitter,
            contrast=self.jitter,
        )

        def evaluated(z: Tensor, labels: Tensor) -> Evaluation:
            images = ctx.prior.decode(z, labels)
            looks = [judged(identity_of, images, labels, view, streams) for _ in range(LOOKS)]
            identity = torch.stack([loss for loss, _ in looks])  # (LOOKS, M): descended is the sum, shown the mean
            logits = torch.stack([logits for _, logits in looks]).mean(0)
            return Evaluation(images, z, identity.sum(0), {"identity": identity.mean(0)}, logits)

        yield from descend(
            frames, z, lambda z: evaluated(z, labels), AdamSteps(z), lambda step: ctx.live(self, "lr"), self.steps
        )
        with torch.no_grad():
            rows = most_robust(ctx, ctx.prior.decode(z, labels), labels, tries, self.looks)
            end = evaluated(z[rows], ctx.classes)
            yield frames.closing(end, kept_of(tries), logits=ctx.target.logits(end.images))
