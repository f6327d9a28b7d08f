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
from workbench.attacks.parts.identity import IdentityKnobs, prepared, preparing_steps
from workbench.attacks.parts.latent_search import NesterovSteps, descend
from workbench.attacks.parts.search_frames import Evaluation, SearchFrames
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
    presets={"demo": dict(steps=300), "paper": dict(steps=1500, lr=0.02, bound=1.0, identity=100.0)},
)
@dataclass(frozen=True)
class GMI(IdentityKnobs):
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
    bound: float = knob(1.0, 0.1, 5.0, help="Latents are kept within ± this, where the prior draws best.")

    def run(self, ctx: AttackContext[Prior]) -> Iterator[Frame]:
        start = ctx.start_or(lambda: ctx.prior.sample(len(ctx.classes), ctx.rng))
        z = start.clamp(-self.bound, self.bound)  # (N, D)
        frames = SearchFrames(ctx, z, preparing_steps(ctx, self) + self.steps)
        yield frames.waiting()
        identity_of = yield from prepared(frames, self)

        def objective(z: Tensor) -> Evaluation:
            images = ctx.prior.decode(z, ctx.classes)
            identity, logits = identity_of(images)
            prior = -ctx.prior.discriminate(images, ctx.classes)
            total = ctx.live(self, "realism") * prior + ctx.live(self, "identity") * identity
            return Evaluation(images, z, total, {"identity": identity, "prior": prior}, logits)

        stepper = NesterovSteps(
            z, lambda: ctx.live(self, "momentum"), project=lambda moved: moved.clamp(-self.bound, self.bound)
        )
        yield from descend(frames, z, objective, stepper, lambda step: ctx.live(self, "lr") / PAPER_BATCH, self.steps)
        with torch.no_grad():
            yield frames.closing(objective(z))
