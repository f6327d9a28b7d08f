"""An evaluator's or a judge's verdicts against people's: the four rates of arXiv 2505.03519, people being the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.core.intervals import Interval, wilson


@dataclass(frozen=True)
class Rate:
    """A share of `n` pictures with its Wilson interval; both None where `n` is 0."""

    hits: int
    n: int
    share: float | None
    interval: Interval | None

    @classmethod
    def of(cls, hits: int, n: int) -> Rate:
        return cls(hits, n, hits / n if n else None, wilson(hits, n) if n else None)


@dataclass(frozen=True)
class Confusion:
    """Of pictures that people do not recognise, the share the machine accepts (FPR) or refuses (TNR); of those that they
    do, the share it refuses (FNR) or accepts (TPR)."""

    fpr: Rate
    fnr: Rate
    tpr: Rate
    tnr: Rate


def confusion(machine: Sequence[bool], people: Sequence[bool | None]) -> Confusion:
    """Return the four rates over pictures on which people decided.

    Args:
        machine: whether it says that each picture shows who was attacked.
        people: the same of the majority; None where there is none.
    """
    decided = [(m, p) for m, p in zip(machine, people, strict=True) if p is not None]
    yes, no = [m for m, p in decided if p], [m for m, p in decided if not p]
    return Confusion(
        fpr=Rate.of(sum(no), len(no)),
        fnr=Rate.of(len(yes) - sum(yes), len(yes)),
        tpr=Rate.of(sum(yes), len(yes)),
        tnr=Rate.of(len(no) - sum(no), len(no)),
    )
