"""Ginver, white-box: the same generator, with the true slope of the distance of activations.

Yin et al., "Ginver: Generative model inversion attacks against collaborative inference", WWW 2023,
https://doi.org/10.1145/3543507.3583306: who knows the client's half need not estimate.

Departs from the paper as the black-box variant does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.attacks.base import AttackContext, attack
from workbench.attacks.parts.black_box_frames import frames_of_steps
from workbench.attacks.split.parts.gap import gap
from workbench.attacks.split.parts.generator_search import GeneratorKnobs, Search
from workbench.core.records import Access, Frame, Recovers


@attack(
    "ginver-wb",
    title="Ginver, white-box",
    access=Access.WHITE_BOX,
    prior=None,
    order=5,
    recovers=Recovers.PICTURE,
    target="cnn",
    paper="Yin et al., WWW 2023",
    summary="Has no images and knows the client's half: a generator follows the true slopes.",
    departs="The generator is trained on the activations that are to be inverted, not on others for later use.",
    presets={"demo": dict(steps=400), "paper": dict(steps=5000, lr=1e-3, width=64)},
)
@dataclass(frozen=True)
class GinverWhiteBox(GeneratorKnobs):
    def run(self, ctx: AttackContext[None]) -> Iterator[Frame]:
        scene = ctx.intercepted()

        def slope(images: Tensor) -> tuple[Tensor, Tensor]:
            with torch.enable_grad():
                x = images.requires_grad_()
                far = gap(scene.view.activations(x), scene.sent)
                (gradient,) = torch.autograd.grad(far.sum(), x)
            return gradient, far.detach()

        search = Search(ctx, self, slope)
        yield from frames_of_steps(ctx, search.steps(), search.frame)
