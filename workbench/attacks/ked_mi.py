"""KED-MI: recover a distribution of images for each class, from a GAN that has learnt from the target's answers.

Chen, Kahla, Jia and Qi, ICCV 2021, https://arxiv.org/abs/2010.04092. A Gaussian over latents is fitted to each
class (eq. 6): z = μ + σ·ε, minimise L_prior(G(z)) + λ·CE, one draw of ε a step. The prior is the inversion-specific
GAN, whose discriminator knows the target's soft labels. At the end the Gaussian's centre is shown, and samples
of it are drawn around the centre in the latent plot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.attacks.base import AttackContext, attack
from workbench.attacks.parts.candidate_rng import Streams
from workbench.attacks.parts.identity import IdentityKnobs, prepared, preparing_steps
from workbench.attacks.parts.latent_search import AdamSteps, Search, Terms, closing_frame, starting_frame
from workbench.core.knobs import knob
from workbench.core.records import Access, Frame

DRAWN = 12  # samples of each Gaussian in the latent plot


def around(value: Tensor) -> dict[str, Tensor]:
    """Return samples of the Gaussians (N, 2, D), always by the same numbers, as a frame's cloud."""
    n, _, d = value.shape
    noise = torch.randn(DRAWN, d, generator=torch.Generator().manual_seed(0)).to(value)
    cloud = value[:, None, 0] + (value[:, None, 1] / 2).exp() * noise
    return {
        "cloud": cloud.detach().flatten(0, 1),
        "cloud_of": torch.arange(n, device=value.device).repeat_interleave(DRAWN),
    }


@attack(
    "ked-mi",
    title="KED-MI",
    access=Access.WHITE_BOX,
    prior="inversion-gan",
    survey_ref=16,
    order=4,
    public=True,
    needs=("critic",),
    paper="Chen et al., ICCV 2021",
    summary="Fits a Gaussian of latents to each class, in a GAN that has learnt from the target's own answers.",
    presets={"demo": dict(steps=150, lr=0.05), "paper": dict(steps=1500, lr=0.02, start_logvar=1.0)},
)
@dataclass(frozen=True)
class KEDMI(IdentityKnobs):
    steps: int = knob(150, 1, 10000, log=True, help="Optimisation steps.", unit="steps")
    lr: float = knob(0.05, 1e-4, 1.0, log=True, live=True, help="Adam's step size on mean and log-variance.")
    identity: float = knob(100.0, 0.0, 1000.0, live=True, help="Weight λ of the identity loss against the prior's.")
    realism: float = knob(1.0, 0.0, 20.0, live=True, help="Weight of the discriminator's opinion.")
    start_logvar: float = knob(0.0, -6.0, 2.0, help="Log-variance of the Gaussian to begin with; the paper's is 1.")

    def run(self, ctx: AttackContext) -> Iterator[Frame]:
        n, before = len(ctx.classes), preparing_steps(ctx, self)
        total = before + self.steps + 1
        start = ctx.start if ctx.start is not None else 0.5 * ctx.prior.sample(n, ctx.rng)
        yield (first := starting_frame(ctx, start, total))
        identity = yield from prepared(
            ctx,
            self,
            lambda step, note: Frame(step, total, first.payload, queries=ctx.target.queries, note=note),
        )
        value = torch.stack([start, torch.full_like(start, self.start_logvar)], 1)
        streams = Streams(ctx)

        def score(images: Tensor, latents: Tensor) -> Terms:
            named, logits = identity(images)
            prior = -ctx.prior.discriminate(images, ctx.classes)
            loss = ctx.live(self, "realism") * prior + ctx.live(self, "identity") * named
            return Terms(loss, {"identity": named, "prior": prior}, logits)

        def draw(value: Tensor) -> Tensor:
            return value[:, 0] + (value[:, 1] / 2).exp() * streams.normal(value.shape[2])

        yield from Search(
            ctx,
            value,
            score,
            AdamSteps(value),
            lambda step: ctx.live(self, "lr"),
            self.steps,
            total,
            draw=draw,
            offset=before,
            extras=lambda: around(value),
        ).run(show_last=False)
        yield closing_frame(ctx, value[:, 0], total, "the centre of each Gaussian", **around(value))
