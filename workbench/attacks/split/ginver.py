"""Ginver: no image of one's own, no gradient; a generator learns from the client's answers to images around its own.

Yin et al., "Ginver: Generative model inversion attacks against collaborative inference", WWW 2023,
https://doi.org/10.1145/3543507.3583306, black-box. The generator maps what was intercepted to an image; the slope of the
distance of activations at that image is estimated by natural evolution strategies, from pairs of opposite Gaussian steps, and
goes back into the generator.

Departs from the paper, which trains one generator on many intercepted activations for use on others: here it is trained on
those that are to be inverted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from workbench.attacks.base import AttackContext, attack
from workbench.attacks.parts.black_box_frames import frames_of_steps
from workbench.attacks.split.parts.evolution import estimated_slope
from workbench.attacks.split.parts.gap import gap
from workbench.attacks.split.parts.generator_search import GeneratorKnobs, Search
from workbench.core.knobs import knob
from workbench.core.records import Access, Frame, Recovers


@attack(
    "ginver",
    title="Ginver",
    access=Access.FEATURES,
    prior=None,
    order=4,
    recovers=Recovers.PICTURE,
    target="cnn",
    paper="Yin et al., WWW 2023",
    summary="Has no images: a generator follows slopes that are estimated from the client's answers to small changes.",
    departs="The generator is trained on the activations that are to be inverted, not on others for later use.",
    presets={"demo": dict(steps=250), "paper": dict(steps=5000, pairs=50, lr=1e-3, width=64)},
)
@dataclass(frozen=True)
class Ginver(GeneratorKnobs):
    pairs: int = knob(
        40, 1, 1000, log=True, help="Pairs of opposite steps a slope is estimated from; two queries each."
    )
    sigma: float = knob(0.01, 1e-4, 0.5, log=True, help="Length of a step, in grey levels.")

    def run(self, ctx: AttackContext[None]) -> Iterator[Frame]:
        scene = ctx.intercepted()

        def slope(images: Tensor) -> tuple[Tensor, Tensor]:
            return estimated_slope(
                lambda tried, owners: gap(scene.view.activations(tried.clamp(0, 1)), scene.sent[owners]),
                images,
                pairs=self.pairs,
                sigma=self.sigma,
                rng=ctx.rng,
            )

        search = Search(ctx, self, slope)
        yield from frames_of_steps(ctx, search.steps(), search.frame)
