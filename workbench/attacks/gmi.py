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

from torch import Tensor

from workbench.attacks.base import AttackContext, attack
from workbench.attacks.parts.identity import IdentityKnobs, prepared, preparing_steps
from workbench.attacks.parts.latent_search import NesterovSteps, Search, Terms, starting_frame
from workbench.core.knobs import knob
from workbench.core.records import Access, Frame

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
    lr: float = knob(0.03, 1e-4, 2.0, log=True, live=True, help="Step size, for a batch of 60 as in the paper's code.")
    momentum: float = knob(0.9, 0.0, 0.99, live=True, help="Share of the last step that is kept.")
    identity: float = knob(100.0, 0.0, 1000.0, live=True, help="Weight λ of the identity loss against the prior's.")
    realism: float = knob(1.0, 0.0, 20.0, live=True, help="Weight of the critic's opinion.")
    bound: float = knob(1.0, 0.1, 5.0, help="Latents are kept within ± this, where the prior draws best.")

    def run(self, ctx: AttackContext) -> Iterator[Frame]:
        n, before = len(ctx.classes), preparing_steps(ctx, self)
        total = before + self.steps
        start = ctx.start if ctx.start is not None else ctx.prior.sample(n, ctx.rng)
        z = start.clamp(-self.bound, self.bound).clone()
        yield (first := starting_frame(ctx, z, total))
        identity = yield from prepared(
            ctx, self, lambda step, note: Frame(step, total, first.payload, queries=ctx.target.queries, note=note)
        )

        def score(images: Tensor, latents: Tensor) -> Terms:
            named, logits = identity(images)
            prior = -ctx.prior.discriminate(images, ctx.classes)
            loss = ctx.live(self, "realism") * prior + ctx.live(self, "identity") * named
            return Terms(loss, {"identity": named, "prior": prior}, logits)

        stepper = NesterovSteps(z, lambda: ctx.live(self, "momentum"))
        yield from Search(
            ctx,
            z,
            score,
            stepper,
            lambda step: ctx.live(self, "lr") / PAPER_BATCH,
            self.steps,
            total,
            project=lambda value: value.clamp_(-self.bound, self.bound),
            offset=before,
        ).run()
