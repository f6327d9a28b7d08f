"""GMI: search a GAN's latent space for images that the target knows and the critic finds real.

Zhang, Jia, Pei, Wang, Li and Song, CVPR 2020, https://arxiv.org/abs/1911.07135, equation 3:
minimise L_prior(z) + λ·L_id(z) with L_prior = −D(G(z)) and L_id = −log p_y(G(z)).

Departs from the released code: losses are summed over candidates, not averaged, so that a candidate's
path does not depend on how many are attacked together; the step size is divided by 60, its batch size,
to give the same steps as the paper's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.attacks.base import AttackContext, attack
from workbench.attacks.parts.candidate_rng import Streams
from workbench.attacks.parts.identity import prepared, preparing_steps
from workbench.attacks.parts.latent_search import NesterovSteps, descend
from workbench.attacks.parts.losses import CHOICES
from workbench.attacks.parts.robust import RobustKnobs, judged, kept_of, most_robust, shaking
from workbench.attacks.parts.search_frames import Evaluation, SearchFrames
from workbench.attacks.parts.selection import TRUNCATION, drawn_starts
from workbench.core.knobs import knob
from workbench.core.records import Access, Frame
from workbench.priors import Prior

PAPER_BATCH = 60


@attack(
    "gmi",
    title="GMI",
    access=Access.WHITE_BOX,
    prior="gan",
    survey_ref=15,
    order=2,
    public=True,
    needs=("critic",),
    paper="Zhang et al., CVPR 2020",
    summary="Searches the latent space of a GAN trained on other people for the face that the target knows.",
    departs="Demo preset: max-margin loss, random views of the image and the most robust of two starts, where the "
    "paper takes cross-entropy and the image as it is. Losses are summed over candidates, not averaged. "
    "The shipped critic learnt by the hinge loss, not by Wasserstein's, and says little of images far "
    "from photographs.",
    presets={
        "demo": dict(steps=150, lr=0.06),
        "paper": dict(
            identity_loss="cross-entropy", tries=5, shake=0.0, looks=0, steps=1500, lr=0.02, bound=1.0, identity=100.0
        ),
    },
)
@dataclass(frozen=True)
class GMI(RobustKnobs):
    identity_loss: str = knob("max-margin", choices=CHOICES, help="How far a candidate is from its class.")
    steps: int = knob(300, 1, 10000, log=True, help="Optimisation steps.", unit="steps")
    lr: float = knob(
        0.03,
        1e-4,
        2.0,
        log=True,
        live=True,
        help="Step size as in the paper's code, which averages over a batch of 60: a candidate moves by a sixtieth "
        "of it times its own gradient.",
    )
    momentum: float = knob(0.9, 0.0, 0.99, live=True, help="Share of the last step that is kept.")
    identity: float = knob(100.0, 0.0, 1000.0, live=True, help="Weight λ of the identity loss against the prior's.")
    realism: float = knob(1.0, 0.0, 20.0, live=True, help="Weight of the critic's opinion.")
    truncation: float = knob(1.0, 0.0, 1.0, help=TRUNCATION)
    bound: float = knob(1.0, 0.1, 5.0, help="Latents are kept within ± this, where the prior draws best.")

    def run(self, ctx: AttackContext[Prior]) -> Iterator[Frame]:
        tries = self.tries if ctx.start is None else 1
        start = drawn_starts(ctx, tries, self.truncation)
        z = start.clamp(-self.bound, self.bound)  # (N·tries, D)
        frames = SearchFrames(ctx, z[::tries], preparing_steps(ctx, self) + self.steps, tries)
        yield frames.waiting()
        identity_of = yield from prepared(frames, self)
        streams, view, labels = Streams(ctx), shaking(self.shake, ctx.flips), ctx.classes.repeat_interleave(tries)

        def evaluated(z: Tensor, labels: Tensor) -> Evaluation:
            images = ctx.prior.decode(z, labels)
            identity, logits = judged(identity_of, images, labels, view, streams)
            prior = -ctx.prior.discriminate(images, labels)
            total = ctx.live(self, "realism") * prior + ctx.live(self, "identity") * identity
            return Evaluation(images, z, total, {"identity": identity, "prior": prior}, logits)

        stepper = NesterovSteps(
            z, lambda: ctx.live(self, "momentum"), project=lambda moved: moved.clamp(-self.bound, self.bound)
        )
        yield from descend(
            frames,
            z,
            lambda z: evaluated(z, labels),
            stepper,
            lambda step: ctx.live(self, "lr") / PAPER_BATCH,
            self.steps,
        )
        with torch.no_grad():
            rows = most_robust(ctx, ctx.prior.decode(z, labels), labels, tries, self.looks)
            end = evaluated(z[rows], ctx.classes)
            yield frames.closing(end, kept_of(tries), logits=ctx.target.logits(end.images))
