"""rMLE: move pixels until the known first half of a network answers as it did of the client's picture.

He, Zhang and Lee, "Model inversion attacks against collaborative inference", ACSAC 2019, section 4,
https://doi.org/10.1145/3359789.3359824: regularised maximum likelihood estimation, white-box. Total variation is the prior
on images, the more of it the deeper the cut.

Departs from the paper: the distance of activations is divided by the spread of what was intercepted, so that one weight of
total variation serves every layer, where the paper tunes it from 0 at the first convolution to 10,000 at a hidden layer; the
image starts grey, which is the paper's zero, and is kept within [0, 1].
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from workbench.attacks.base import AttackContext, attack
from workbench.attacks.split.parts.descent import DescentKnobs, descend
from workbench.core.knobs import knob
from workbench.core.payloads import Images
from workbench.core.records import Access, Frame, Recovers

GREY = 0.5


@attack(
    "rmle",
    title="He et al., rMLE",
    access=Access.WHITE_BOX,
    prior=None,
    order=1,
    recovers=Recovers.PICTURE,
    target="cnn",
    paper="He et al., ACSAC 2019",
    summary="Knows the client's half and moves pixels, smooth ones first, until it answers what was intercepted.",
    departs="The distance of activations is divided by their spread, and one weight of total variation serves every layer; "
    "the paper tunes it for each.",
    presets={"demo": dict(steps=300), "paper": dict(steps=5000, lr=0.01)},
)
@dataclass(frozen=True)
class RMLE(DescentKnobs):
    size: float = knob(0.0, 0.0, 10.0, help="Weight of the squared distance from grey.")

    def run(self, ctx: AttackContext[None]) -> Iterator[Frame]:
        view = ctx.intercepted().view
        start = ctx.start_or(lambda: torch.full((len(ctx.classes), *view.input_shape), GREY, device=ctx.device))
        yield Frame(0, self.steps, Images(start))
        yield from descend(ctx, self, start, view.activations, size=self.size)
