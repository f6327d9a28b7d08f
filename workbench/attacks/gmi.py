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

from workbench.attacks.base import AttackContext, attack, ensure_finite
from workbench.attacks.losses import confidence, cross_entropy
from workbench.core.knobs import knob
from workbench.core.records import Access, Frame

PAPER_BATCH = 60


@attack("gmi", title="GMI", access=Access.WHITE_BOX, prior="gan", survey_ref=15, order=2,
        paper="Zhang et al., CVPR 2020",
        summary="Searches the latent space of a GAN trained on other people for the face that the target knows.",
        presets={"demo": dict(steps=300), "paper": dict(steps=1500, lr=0.02, bound=1.0, identity=100.0)})
@dataclass(frozen=True)
class GMI:
    steps: int = knob(300, 1, 10000, log=True, help="Optimisation steps.", unit="steps")
    lr: float = knob(0.03, 1e-4, 2.0, log=True, live=True, help="Step size, for a batch of 60 as in the paper's code.")
    momentum: float = knob(0.9, 0.0, 0.99, live=True, help="Share of the last step that is kept.")
    identity: float = knob(100.0, 0.0, 1000.0, live=True, help="Weight λ of the identity loss against the prior's.")
    realism: float = knob(1.0, 0.0, 20.0, live=True, help="Weight of the critic's opinion.")
    bound: float = knob(1.0, 0.1, 5.0, help="Latents are kept within ± this, where the prior draws best.")

    def run(self, ctx: AttackContext) -> Iterator[Frame]:
        n = len(ctx.classes)
        z = (ctx.start if ctx.start is not None else ctx.prior.sample(n, ctx.rng)).clamp(-self.bound, self.bound)
        with torch.no_grad():
            yield Frame(0, self.steps, ctx.prior.decode(z), z)
        velocity = torch.zeros_like(z)
        for step in range(1, self.steps + 1):
            lr, momentum = ctx.live(self, "lr") / PAPER_BATCH, ctx.live(self, "momentum")
            z = z.detach().requires_grad_(True)
            images = ctx.prior.decode(z)
            logits = ctx.target.logits(images)
            identity = cross_entropy(logits, ctx.classes)
            prior = -ctx.prior.discriminate(images)
            total = ctx.live(self, "realism") * prior + ctx.live(self, "identity") * identity
            (gradient,) = torch.autograd.grad(total.sum(), z)
            with torch.no_grad():
                before, velocity = velocity, momentum * velocity - lr * gradient
                # Nesterov's step, in the form of the paper's code.
                moved = (z - momentum * before + (1 + momentum) * velocity).clamp(-self.bound, self.bound)
            last = step == self.steps
            if last or ctx.due(step):
                ensure_finite(step, total=total, latent=z)
                yield Frame(step, self.steps, images, z, {"identity": identity, "prior": prior},
                            confidence(logits, ctx.classes), queries=ctx.target.queries)
            z = moved
