"""The baseline that says the most common value of everybody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from workbench.core.records import Frame
from workbench.tabular.attacks.base import InferenceContext, Whom, inference


@inference(
    "majority",
    title="Majority",
    access=None,
    order=90,
    paper="Baseline",
    summary="The most common value, for everybody: what the marginals alone tell.",
)
@dataclass(frozen=True)
class Majority(Whom):
    def run(self, ctx: InferenceContext) -> Iterator[Frame]:
        """Yield the marginals as everybody's posterior."""
        yield ctx.frame(0, 0, np.tile(ctx.prior, (len(ctx.known), 1)), 0)
