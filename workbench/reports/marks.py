"""What the judges say of each picture of a run, as far as its judgement tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

RECOGNISED, OTHER = "recognised", "other"  # answers of a judge; a third is that it cannot tell


def marks_of(judgement: Mapping[str, Any] | None, count: int) -> list[dict[str, Any]]:
    """Return for each of `count` candidates what was said of it.

    Each has `said`: "yes" where every judge who can say no names the person attacked, "no" where one says clearly that it
    is not, "unclear" where they cannot tell, "" where nobody who can was asked; `judges`: of each of those its title and
    its answer; `evaluator`: whether the evaluator, which has to choose, chooses the person, None where it was not asked.
    """
    panel = [v for v in (judgement or {}).get("panel") or [] if v.get("threshold") is not None]
    found = (judgement or {}).get("reconstruction") or {}
    hits = (found.get("per_image") or {}).get("acc@1") or []
    marks = []
    for i in range(count):
        judges = [(str(v["title"]), answer) for v in panel if (answer := _answer(v, i)) is not None]
        evaluator = bool(hits[i]) if i < len(hits) and hits[i] is not None else None
        marks.append({"said": _agreed([answer for _, answer in judges]), "judges": judges, "evaluator": evaluator})
    return marks


def _answer(verdict: Mapping[str, Any], i: int) -> str | None:
    """Return what a judge says of the i-th picture; records from before a third answer have yes and no alone."""
    answers, right = verdict.get("answer") or [], verdict.get("right") or []
    if i < len(answers):
        return str(answers[i])
    return (RECOGNISED if right[i] else OTHER) if i < len(right) else None


def _agreed(answers: Sequence[str]) -> str:
    if not answers:
        return ""
    if OTHER in answers:
        return "no"
    return "yes" if all(answer == RECOGNISED for answer in answers) else "unclear"
