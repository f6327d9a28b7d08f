"""The black-box attack on a decision tree: confusion matrix and marginals (Fredrikson et al., CCS 2015, section 4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from workbench.core.records import Access, Frame
from workbench.tabular.attacks.base import InferenceContext, Whom, inference
from workbench.tabular.attacks.parts.likelihood import posterior
from workbench.tabular.attacks.parts.questions import Question
from workbench.tabular.table import Array


@inference(
    "tree-black-box",
    title="Decision tree, black-box",
    access=Access.LABEL,
    order=1,
    paper="Fredrikson et al., CCS 2015",
    summary="Marginals times the target's published confusion of the true class with the told one; labels are enough.",
)
@dataclass(frozen=True)
class ConfusionMatrix(Whom):
    def run(self, ctx: InferenceContext) -> Iterator[Frame]:
        """Yield v ↦ p(v) Σ_u p(u) C[y, f(x, u, v)] with C normalised over what is told."""
        yield from posterior(ctx, confused)


def confused(ctx: InferenceContext, question: Question) -> Array:
    """Return C[y, f(x)], (R,): the share of records of the true class that are told so."""
    return ctx.target.confusion[ctx.response.grouped(ctx.answers), ctx.target.labels(question.rows)]
