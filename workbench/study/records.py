"""Answers joined with what was asked, one record an answer: what analysis and exports are made of."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from workbench.study.answers import Rater, RaterAnswer
from workbench.study.design import SKIP, Kind
from workbench.study.session import Study
from workbench.study.stimuli import Stimulus


@dataclass(frozen=True)
class Record:
    """One answer.

    Attributes:
        right: whether it is right; None where no answer is.
        elapsed: ms from the rater's coming to the answer.
    """

    answer: RaterAnswer
    stimulus: Stimulus
    rater: Rater
    right: bool | None
    elapsed: int

    @property
    def skipped(self) -> bool:
        return self.answer.response == SKIP


def records_of(study: Study) -> list[Record]:
    """Return every answer that stands, by rater and trial."""
    raters = {rater.id: rater for rater in study.answers.raters()}
    found = []
    for answer in study.answers.answers():
        if (rater := raters.get(answer.rater)) is not None:
            stimulus = study.stimuli[answer.stimulus]
            right = study.right(stimulus, answer.response)
            elapsed = max(0, round(1000 * (answer.at - rater.created)))
            found.append(Record(answer, stimulus, rater, right, elapsed))
    return found


def left_out(study: Study, records: list[Record]) -> dict[str, str]:
    """Return whom the study's rule leaves out, by rater's id, and why in a sentence."""
    rule, found = study.design.rule, {}
    for rater in {record.rater.id: None for record in records}:
        own = [record for record in records if record.rater.id == rater]
        catches = [bool(record.right) for record in own if record.stimulus.kind is Kind.CATCH]
        usual = statistics.median(record.answer.rt for record in own)
        if catches and sum(catches) < rule.catches_right * len(catches):
            found[rater] = f"{sum(catches)} of {len(catches)} catch trials right."
        elif usual < rule.median_ms:
            found[rater] = f"Half of the answers took less than {usual / 1000:.2f} s."
    return found
