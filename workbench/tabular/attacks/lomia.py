"""LOMIA: labels alone (Mehnaz et al., USENIX Security 2022, section 4.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from workbench.core.knobs import knob
from workbench.core.records import Access, Frame
from workbench.tabular.attacks.base import InferenceContext, Whom, inference
from workbench.tabular.attacks.parts.ensemble import Learner, known_features
from workbench.tabular.attacks.parts.questions import count_of, questions


@inference(
    "lomia",
    title="LOMIA",
    access=Access.LABEL,
    order=4,
    paper="Mehnaz et al., USENIX Security 2022",
    summary="Records for which one value alone gives the right label teach an ensemble, which answers for all.",
    departs="A random forest stands for the ensemble of the paper, which was BigML's.",
)
@dataclass(frozen=True)
class LabelOnlyInference(Whom):
    trees: int = knob(50, 5, 500, log=True, help="Trees of the ensemble.")

    def run(self, ctx: InferenceContext) -> Iterator[Frame]:
        """Yield which values give the right label so far, and at the end what the ensemble says."""
        count, total = len(ctx.values), count_of(ctx) + 1
        hits = np.zeros((len(ctx.known), count))
        truth = ctx.response.grouped(ctx.answers)
        yield ctx.frame(0, total, np.tile(ctx.prior, (len(hits), 1)), 0, "what the marginals say")
        for step, question in enumerate(questions(ctx), start=1):
            hits[:, question.value] += question.weight * (ctx.target.labels(question.rows) == truth)
            if ctx.due(step):
                yield ctx.frame(step, total, hits * ctx.prior, question.value + 1)
        alone = (hits > 0).sum(1) == 1
        said = f"{alone.sum()} records with one value that fits taught the ensemble"
        if len(np.unique(hits[alone].argmax(1))) < 2:
            yield ctx.frame(
                total, total, hits * ctx.prior, count, f"{alone.sum()} records with one value that fits: too few"
            )
            return
        features = known_features(ctx, ctx.known, ctx.answers)
        learner = Learner(self.trees, int(ctx.rng.integers(2**31)))
        learner.fit(features[alone], hits[alone].argmax(1), count)
        yield ctx.frame(total, total, learner.shares(features), count, said)
