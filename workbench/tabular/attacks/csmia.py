"""CSMIA: for which values is the target right, and how sure is it (Mehnaz et al., USENIX Security 2022, section 4.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from workbench.core.records import Access, Frame
from workbench.tabular.attacks.base import InferenceContext, Whom, inference
from workbench.tabular.attacks.parts.questions import count_of, questions
from workbench.tabular.table import Array

TIE = 1e-6  # a share that settles ties at random and nothing else


@inference(
    "csmia",
    title="CSMIA",
    access=Access.SCORES,
    order=3,
    paper="Mehnaz et al., USENIX Security 2022",
    summary="The value with which the target is right; of several the surest, of none the least sure one.",
    departs="With other unknown columns, hits and confidences are weighed by how common what is filled in is.",
    confidences=True,
)
@dataclass(frozen=True)
class ConfidenceScores(Whom):
    def run(self, ctx: InferenceContext) -> Iterator[Frame]:
        """Yield shares by the paper's cases, of what was asked so far; the greatest share is the answer."""
        count, total = len(ctx.values), count_of(ctx)
        hits, sure, unsure = (np.zeros((len(ctx.known), count)) for _ in range(3))
        ties = ctx.rng.random((len(ctx.known), count)) * TIE
        truth = ctx.response.grouped(ctx.answers)
        yield ctx.frame(0, total, ties, 0, "nothing was asked")
        for step, question in enumerate(questions(ctx), start=1):
            scores = ctx.target.scores(question.rows)
            told, confidence = scores.argmax(1), scores.max(1)
            right = told == truth
            hits[:, question.value] += question.weight * right
            sure[:, question.value] += question.weight * np.where(right, confidence, 0)
            unsure[:, question.value] += question.weight * np.where(right, 0, 1 - confidence)
            if step == total or ctx.due(step):
                yield ctx.frame(step, total, by_case(hits, sure, unsure) + ties, question.value + 1, cases_said(hits))


def by_case(hits: Array, sure: Array, unsure: Array) -> Array:
    """Return shares (R, V): where the target was right at all, how sure it was then; else how unsure it was.

    Case 1, one value with which it is right, and case 2, several, are both the first; case 3 is the second.

    Args:
        hits, sure, unsure: (R, V), weights of right answers, with their confidence, and of wrong ones with what lacked.
    """
    return np.where((hits > 0).any(1, keepdims=True), np.where(hits > 0, sure, 0), unsure)


def cases_said(hits: Array) -> str:
    """Return how many records fall under each case, in words."""
    right = (hits > 0).sum(1)
    return f"case 1: {(right == 1).sum()} · case 2: {(right > 1).sum()} · case 3: {(right == 0).sum()}"
