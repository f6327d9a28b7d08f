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
from workbench.attacks.split.parts.generator_search import Search
from workbench.attacks.split.parts.layers import layer_knob
from workbench.core.knobs import knob
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
class GinverWhiteBox:
    layer: str = layer_knob()
    steps: int = knob(400, 1, 50000, log=True, help="Updates of the generator.", unit="steps")
    lr: float = knob(3e-3, 1e-5, 0.1, log=True, help="Adam's step size; falls to nothing.")
    width: int = knob(24, 4, 256, log=True, help="Channels of the generator at full size; a multiple of 4.")
    smoothness: float = knob(0.01, 0.0, 100.0, live=True, help="Weight of the total variation.")

    def run(self, ctx: AttackContext[None]) -> Iterator[Frame]:
        scene = ctx.intercepted()

        def slope(images: Tensor) -> tuple[Tensor, Tensor]:
            with torch.enable_grad():
                x = images.requires_grad_()
                far = gap(scene.view.activations(x), scene.sent)
                (gradient,) = torch.autograd.grad(far.sum(), x)
            return gradient, far.detach()

        search = Search(
            ctx,
            slope,
            steps=self.steps,
            lr=self.lr,
            width=self.width,
            smoothness=lambda: ctx.live(self, "smoothness"),
        )
        yield from frames_of_steps(ctx, search.steps(), search.frame)
