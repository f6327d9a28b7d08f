"""The white-box attack on a decision tree: how many records took each path (Fredrikson et al., CCS 2015, section 4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from workbench.core.records import Access, Frame
from workbench.tabular.attacks.base import InferenceContext, Whom, inference
from workbench.tabular.attacks.parts.likelihood import posterior
from workbench.tabular.attacks.parts.questions import Question
from workbench.tabular.table import Array


@inference(
    "tree-counts",
    title="Decision tree with counts",
    access=Access.WHITE_BOX,
    order=2,
    paper="Fredrikson et al., CCS 2015",
    summary="Marginals times the share of training records, among those a value allows, that took the record's path.",
    departs="A path's count is of its records of the true class, which the released tree shows at each leaf.",
    counts=True,
)
@dataclass(frozen=True)
class TreeCounts(Whom):
    def run(self, ctx: InferenceContext) -> Iterator[Frame]:
        """Yield v ↦ p(v) Σ_u p(u) n(path of (x, u, v), y) / Σ n(paths that v allows): the paper's WBWC estimator."""
        counts, allowed = ctx.target.tree.counts, allowed_counts(ctx)
        classes = ctx.response.grouped(ctx.answers)

        def took(ctx: InferenceContext, question: Question) -> Array:
            return counts[ctx.target.leaves(question.rows), classes] / allowed[question.value]

        yield from posterior(ctx, took)


def allowed_counts(ctx: InferenceContext) -> Array:
    """Return how many training records took any path that each sensitive value allows, (V,)."""
    tree, place = ctx.target.tree, ctx.target.encoder.places(ctx.sensitive)
    totals = tree.counts.sum(1)
    found = []
    for value in range(len(ctx.values)):
        fixed = {place.start + i: float(i == value) for i in range(len(ctx.values))}
        found.append(totals[tree.reachable(fixed)].sum())
    return np.array(found)
