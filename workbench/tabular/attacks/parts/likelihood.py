"""How well a target's answers explain the true response, value by value."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from workbench.core.records import Frame
from workbench.tabular.attacks.base import InferenceContext
from workbench.tabular.attacks.parts.questions import Question, count_of, questions
from workbench.tabular.table import Array

Explains = Callable[[InferenceContext, Question], Array]  # (R,) how likely the true response is, given the answer


def posterior(ctx: InferenceContext, explains: Explains) -> Iterator[Frame]:
    """Yield posteriors that fill in query by query: prior times likelihood, summed over the other unknown cells.

    A value about which nothing was asked yet keeps the average likelihood of those that were.
    """
    prior, total = ctx.prior, count_of(ctx)
    likelihood = np.zeros((len(ctx.known), len(prior)))
    weights = np.zeros(len(prior))
    yield ctx.frame(0, total, np.tile(prior, (len(ctx.known), 1)), 0, "what the marginals say")
    for step, question in enumerate(questions(ctx), start=1):
        likelihood[:, question.value] += question.weight * explains(ctx, question)
        weights[question.value] += question.weight
        if step == total or ctx.due(step):
            asked = weights > 0
            found = likelihood / np.where(asked, weights, 1)
            rest = found[:, asked].mean(1, keepdims=True)
            shares = prior * np.where(asked, found, rest)
            yield ctx.frame(step, total, shares, question.value + 1, f"asked as if {ctx.values[question.value]}")


def gaussian(ctx: InferenceContext, told: Array) -> Array:
    """Return the density (R,) of the true response around what a regression told (R,), with its published deviation."""
    true = np.sqrt(ctx.answers) if ctx.response.root else ctx.answers
    z = (true - told) / ctx.target.spread
    return np.exp(-0.5 * z * z) / ctx.target.spread
