"""Random prior samples: the floor that every attack has to beat.

It draws from the prior and never asks the target anything, so whatever it scores is what an attacker
gets for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from workbench.attacks.base import AttackContext, attack
from workbench.core.knobs import knob
from workbench.core.payloads import Images
from workbench.core.records import Access, Frame
from workbench.priors import Prior


@attack(
    "random",
    title="Random prior sample",
    access=Access.LABEL,
    prior="gan",
    order=90,
    paper="Baseline",
    summary="Draws faces from the prior without looking at the target: the floor to beat.",
)
@dataclass(frozen=True)
class RandomPrior:
    draws: int = knob(
        1, 1, 100, help="How many times to redraw every candidate; only the last one is kept.", unit="draws"
    )

    def run(self, ctx: AttackContext[Prior]) -> Iterator[Frame]:
        latents = ctx.start_or(lambda: ctx.prior.sample(len(ctx.classes), ctx.rng))
        for draw in range(self.draws + 1):
            if draw > 0:
                latents = ctx.prior.sample(len(ctx.classes), ctx.rng)
            if draw in (0, self.draws) or ctx.due(draw):
                with torch.no_grad():
                    yield Frame(draw, self.draws, Images(ctx.prior.decode(latents, ctx.classes), latents))
