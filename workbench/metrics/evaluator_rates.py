"""How far the evaluator, which has to choose a class, agrees with the judges who can say no.

The four rates of Ho et al., 2025, https://arxiv.org/abs/2505.03519: there people, here the panel, decide what a reconstruction
shows, and the evaluator's accuracy is measured against that. What the panel cannot tell counts nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from workbench.metrics.panel_verdict import Agreement, Answer


@dataclass(frozen=True)
class EvaluatorRates:
    """Counts of pictures by what the evaluator (counted right or not) and the panel (recognised or not) say.

    Attributes:
        true_positives, false_positives: the evaluator is right; the panel recognises the person, or does not.
        false_negatives, true_negatives: the evaluator is not; the panel does, or does not either.
    """

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @property
    def tpr(self) -> float | None:
        """Share of the recognised that the evaluator counts, 0 to 1; None where nothing is recognised."""
        return _share(self.true_positives, self.false_negatives)

    @property
    def fnr(self) -> float | None:
        """Share of the recognised that the evaluator misses, 0 to 1; None where nothing is recognised."""
        return _share(self.false_negatives, self.true_positives)

    @property
    def fpr(self) -> float | None:
        """Share of the unrecognised that the evaluator counts as leaked, 0 to 1; None where all are recognised."""
        return _share(self.false_positives, self.true_negatives)

    @property
    def tnr(self) -> float | None:
        """Share of the unrecognised that the evaluator does not count, 0 to 1; None where all are recognised."""
        return _share(self.true_negatives, self.false_positives)

    def to_json(self) -> dict[str, Any]:
        """Return counts and rates."""
        rates = {"fpr": self.fpr, "fnr": self.fnr, "tpr": self.tpr, "tnr": self.tnr}
        return {**asdict(self), **{name: None if v is None else round(v, 4) for name, v in rates.items()}}


def rates_of(evaluator_right: Sequence[bool], agreed: Agreement) -> EvaluatorRates:
    """Return the counts for N pictures."""
    votes = [
        (right, answer is Answer.RECOGNISED)
        for right, answer in zip(evaluator_right, agreed.answers, strict=True)
        if answer is not Answer.UNCLEAR
    ]
    kinds = ((True, True), (True, False), (False, True), (False, False))
    return EvaluatorRates(*(votes.count(kind) for kind in kinds))


def _share(one: int, other: int) -> float | None:
    return one / (one + other) if one + other else None
