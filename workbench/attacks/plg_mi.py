"""PLG-MI: search a conditional GAN that pseudo-labels have tuned to the target, with a loss that never fades.

Yuan, Chen, Zhang, Zhang and Yu, AAAI 2023, https://arxiv.org/abs/2302.09814. The prior draws each class
separately, so that the search begins near its goal; the max-margin loss (eq. 6) keeps its gradient where
cross-entropy is already satisfied. Two fresh views of each image are judged in every step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from workbench.attacks.base import AttackContext, attack
from workbench.attacks.parts.candidate_rng import Streams
from workbench.attacks.parts.identity import IdentityKnobs, prepared, preparing_steps
from workbench.attacks.parts.latent_search import AdamSteps, Search, Terms, closing_frame, starting_frame
from workbench.attacks.parts.losses import CHOICES
from workbench.attacks.parts.views import View, views
from workbench.core.knobs import knob
from workbench.core.records import Access, Frame

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
    presets={"demo": dict(steps=80, lr=0.05), "paper": dict(steps=600, lr=0.1)},
)
@dataclass(frozen=True)
class PLGMI(IdentityKnobs):
    identity_loss: str = knob("max-margin", choices=CHOICES, help="How far a candidate is from its class.")
    steps: int = knob(80, 1, 5000, log=True, help="Optimisation steps.", unit="steps")
    lr: float = knob(0.05, 1e-4, 1.0, log=True, live=True, help="Adam's step size in z.")
    crop: float = knob(0.8, 0.4, 1.0, help="Least share of the area that a view keeps.")
    jitter: float = knob(0.2, 0.0, 0.5, help="Largest change of a view's brightness and contrast.")
    degrees: float = knob(5.0, 0.0, 45.0, help="Largest turn of a view.", unit="°")

    def run(self, ctx: AttackContext) -> Iterator[Frame]:
        before = preparing_steps(ctx, self)
        total = before + self.steps + 1
        z = (ctx.start if ctx.start is not None else ctx.prior.sample(len(ctx.classes), ctx.rng)).clone()
        yield (first := starting_frame(ctx, z, total))
        identity = yield from prepared(
            ctx,
            self,
            lambda step, note: Frame(step, total, first.payload, queries=ctx.target.queries, note=note),
        )
        streams = Streams(ctx)
        view = View(
            scale=(self.crop, 1.0),
            mirror=0.5 * ctx.flips,
            degrees=self.degrees,
            light=self.jitter,
            contrast=self.jitter,
        )

        def score(images: Tensor, latents: Tensor) -> Terms:
            seen = [identity(views(view, images, streams)) for _ in range(LOOKS)]
            named = sum(loss for loss, _ in seen)
            return Terms(named, {"identity": named}, sum(logits for _, logits in seen) / LOOKS)

        yield from Search(
            ctx, z, score, AdamSteps(z), lambda step: ctx.live(self, "lr"), self.steps, total, offset=before
        ).run(show_last=False)
        yield closing_frame(ctx, z, total)
