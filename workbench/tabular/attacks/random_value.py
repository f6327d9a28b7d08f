"""The baseline that draws a value at random."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from workbench.core.records import Frame
from workbench.tabular.attacks.base import InferenceContext, Whom, inference


@inference(
    "random-value",
    title="Random value",
    access=None,
    order=91,
    paper="Baseline",
    summary="Every value as likely: a coin for each record.",
)
@dataclass(frozen=True)
class RandomValue(Whom):
    def run(self, ctx: InferenceContext) -> Iterator[Frame]:
        """Yield one drawn value for each record."""
        drawn = ctx.rng.integers(len(ctx.values), size=len(ctx.known))
        yield ctx.frame(0, 0, np.eye(len(ctx.values))[drawn], 0)
