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
from workbench.attacks.parts.clouds import Cloud
from workbench.attacks.parts.identity import prepared, preparing_steps
from workbench.attacks.parts.latent_search import AdamSteps, descend
from workbench.attacks.parts.losses import CHOICES
from workbench.attacks.parts.robust import RobustKnobs, judged, kept_of, most_robust, shaking
from workbench.attacks.parts.search_frames import Evaluation, SearchFrames
from workbench.core.knobs import knob
from workbench.core.records import Access, Frame
from workbench.priors import Prior

DRAWN = 12  # samples of each Gaussian in the latent plot


def around(value: Tensor) -> Cloud:
    """Return samples of the Gaussians (N, 2, D), mean and log-variance, always by the same numbers."""
    noise = torch.randn(DRAWN, value.shape[2], generator=torch.Generator().manual_seed(0)).to(value)
    return Cloud.around((value[:, None, 0] + (value[:, None, 1] / 2).exp() * noise).detach())


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
    departs="Demo preset: max-margin loss, random views and the most robust of two starts, each at half a random "
    "latent, and the centre of the Gaussian is shown, where the paper takes cross-entropy, starts at 0 "
    "and draws. The shipped prior took 400 steps with one of the discriminator each, the paper's 11,250 "
    "with five.",
    presets={
        "demo": dict(steps=150, lr=0.05),
        "paper": dict(
            identity_loss="cross-entropy",
            tries=1,
            shake=0.0,
            steps=1500,
            lr=0.02,
            start_mean=0.0,
            start_logvar=1.0,
            drawn=True,
        ),
    },
)
@dataclass(frozen=True)
class KEDMI(RobustKnobs):
    identity_loss: str = knob("max-margin", choices=CHOICES, help="How far a candidate is from its class.")
    steps: int = knob(150, 1, 10000, log=True, help="Optimisation steps.", unit="steps")
    lr: float = knob(0.05, 1e-4, 1.0, log=True, live=True, help="Adam's step size on mean and log-variance.")
    identity: float = knob(100.0, 0.0, 1000.0, live=True, help="Weight λ of the identity loss against the prior's.")
    realism: float = knob(1.0, 0.0, 20.0, live=True, help="Weight of the discriminator's opinion.")
    start_mean: float = knob(
        0.5, 0.0, 1.0, help="The mean begins at this share of a random latent; the paper's is 0, the same for all."
    )
    start_logvar: float = knob(0.0, -6.0, 2.0, help="Log-variance of the Gaussian to begin with; the paper's is 1.")
    drawn: bool = knob(False, help="Show a draw of the Gaussian, as the paper does; else its centre.")

    def run(self, ctx: AttackContext[Prior]) -> Iterator[Frame]:
        tries = self.tries if ctx.start is None else 1
        start = ctx.start_or(lambda: self.start_mean * ctx.prior.sample(tries * len(ctx.classes), ctx.rng))
        frames = SearchFrames(ctx, start[::tries], preparing_steps(ctx, self) + self.steps, tries)
        yield frames.waiting()
        identity_of = yield from prepared(frames, self)
        gaussians = torch.stack([start, torch.full_like(start, self.start_logvar)], 1)  # (N·tries, 2, D)
        frames.cloud = lambda rows: around(gaussians[rows])
        streams, view, labels = Streams(ctx), shaking(self.shake, ctx.flips), ctx.classes.repeat_interleave(tries)

        def evaluated(z: Tensor, labels: Tensor) -> Evaluation:
            images = ctx.prior.decode(z, labels)
            identity, logits = judged(identity_of, images, labels, view, streams)
            prior = -ctx.prior.discriminate(images, labels)
            total = ctx.live(self, "realism") * prior + ctx.live(self, "identity") * identity
            return Evaluation(images, z, total, {"identity": identity, "prior": prior}, logits)

        def draw(gaussians: Tensor) -> Tensor:
            mean, log_variance = gaussians.unbind(1)
            return mean + (log_variance / 2).exp() * streams.normal(tries, mean.shape[1]).flatten(0, 1)

        def objective(gaussians: Tensor) -> Evaluation:
            return evaluated(draw(gaussians), labels)

        stepper = AdamSteps(gaussians)
        yield from descend(frames, gaussians, objective, stepper, lambda step: ctx.live(self, "lr"), self.steps)
        with torch.no_grad():
            z = draw(gaussians) if self.drawn else gaussians[:, 0]
            rows = most_robust(ctx, ctx.prior.decode(z, labels), labels, tries, self.looks)
            end = evaluated(z[rows], ctx.classes)
            note = "a draw of each Gaussian" if self.drawn else "the centre of each Gaussian"
            yield frames.closing(end, kept_of(tries) or note, logits=ctx.target.logits(end.images), rows=rows)
