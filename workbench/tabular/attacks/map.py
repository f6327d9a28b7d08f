"""MAP: the value that makes a known dose most likely (Fredrikson et al., USENIX Security 2014, section 3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from workbench.core.records import Access, Frame
from workbench.tabular.attacks.base import InferenceContext, Whom, inference
from workbench.tabular.attacks.parts.likelihood import gaussian, posterior
from workbench.tabular.attacks.parts.questions import Question
from workbench.tabular.table import Array


@inference(
    "map",
    title="MAP inversion",
    access=Access.SCORES,
    order=0,
    paper="Fredrikson et al., USENIX Security 2014",
    summary="Marginals times how likely the true response is under the target's published errors, for every value.",
    departs="Of a target that tells classes, the error model is its confusion matrix, weighed by how common a class is.",
)
@dataclass(frozen=True)
class MaximumAPosteriori(Whom):
    def run(self, ctx: InferenceContext) -> Iterator[Frame]:
        """Yield v ↦ p(v) Σ_u p(u) π(y, f(x, u, v)) over the other unknown cells u; π is the error model."""
        yield from posterior(ctx, explained)


def explained(ctx: InferenceContext, question: Question) -> Array:
    """Return π(y, f(x)), (R,): a regression's Gaussian error, or the share of records told so that are of class y."""
    if ctx.target.regression:
        return gaussian(ctx, ctx.target.values(question.rows))
    told, true = ctx.target.labels(question.rows), ctx.response.grouped(ctx.answers)
    joint = ctx.target.confusion * class_shares(ctx)[:, None]  # (K, K) of true class and told one
    return (joint / joint.sum(0, keepdims=True))[true, told]


def class_shares(ctx: InferenceContext) -> Array:
    """Return how common each class of the response is among public records, (K,)."""
    classes = ctx.response.grouped(ctx.public.of(ctx.response.name))
    counts = [1.0 + (classes == k).sum() for k in range(len(ctx.response.classes))]
    return np.array(counts) / sum(counts)
