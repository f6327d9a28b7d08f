"""The baseline that every claim is read beside: what other people's records tell, without any target.

Whether an attribute inference finds more than imputation does is the question of Jayaraman and Evans (CCS 2022).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from workbench.core.knobs import knob
from workbench.core.records import Frame
from workbench.tabular.attacks.base import InferenceContext, Whom, inference
from workbench.tabular.attacks.parts.ensemble import Learner, known_features

LEAF = 2  # records at least in a leaf: with one, other people's noise is remembered


@inference(
    "imputation",
    title="Imputation",
    access=None,
    order=92,
    paper="Baseline; Jayaraman and Evans, CCS 2022",
    summary="A forest that learnt the sensitive column from public records, with the true response; the target is not asked.",
)
@dataclass(frozen=True)
class Imputation(Whom):
    trees: int = knob(50, 5, 500, log=True, help="Trees of the forest.")

    def run(self, ctx: InferenceContext) -> Iterator[Frame]:
        """Yield what the forest says of each record."""
        table = ctx.public.without(ctx.response.name)
        values, answers = table.data[:, ctx.sensitive], ctx.public.of(ctx.response.name)
        told = ~np.isnan(values)
        learner = Learner(self.trees, int(ctx.rng.integers(2**31)), LEAF)
        features = known_features(ctx, table.data[told], answers[told])
        learner.fit(features, values[told].astype(np.int64), len(ctx.values))
        shares = learner.shares(known_features(ctx, ctx.known, ctx.answers))
        yield ctx.frame(0, 0, shares, 0)
