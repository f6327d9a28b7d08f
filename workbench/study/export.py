"""Answers to take away: one line an answer, with columns named as jsPsych names them, and more of our own after them."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from workbench.study.records import Record, left_out, records_of
from workbench.study.session import Study

# jsPsych: rt in ms, stimulus, response, trial_type, trial_index, time_elapsed in ms; `correct` where an answer can be.
COLUMNS = (
    "subject_id",
    "trial_index",
    "trial_type",
    "stimulus",
    "response",
    "rt",
    "time_elapsed",
    "correct",
    "study_id",
    "task",
    "kind",
    "question",
    "class",
    "run",
    "candidate",
    "pressed",
    "swapped",
    "repeat_of",
    "simulated",
    "excluded",
    "timestamp",
)
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would carry out


def row_of(study: Study, record: Record, excluded: dict[str, str]) -> dict[str, Any]:
    """Return one answer by column."""
    answer, stimulus = record.answer, record.stimulus
    return {
        "subject_id": answer.rater,
        "trial_index": answer.trial,
        "trial_type": "image-button-response",
        "stimulus": "|".join(f"pictures/{number:04d}.png" for number in stimulus.pictures),
        "response": answer.response,
        "rt": answer.rt,
        "time_elapsed": record.elapsed,
        "correct": record.right,
        "study_id": study.id,
        "task": study.design.task.value,
        "kind": stimulus.kind.value,
        "question": stimulus.id,
        "class": stimulus.cls,
        "run": "|".join(stimulus.runs),
        "candidate": "|".join(map(str, stimulus.candidates)),
        "pressed": answer.shown,
        "swapped": answer.swapped,
        "repeat_of": answer.repeat_of,
        "simulated": record.rater.simulated,
        "excluded": answer.rater in excluded,
        "timestamp": round(answer.at, 3),
    }


def rows(study: Study) -> list[dict[str, Any]]:
    """Return every answer that stands, by rater and trial; of raters who are left out too, marked so."""
    records = records_of(study)
    excluded = left_out(study, records)
    return [row_of(study, record, excluded) for record in records]


def as_csv(study: Study) -> bytes:
    """Return the answers as CSV with a header; what is unknown is empty, true and false are written so."""
    held = io.StringIO()
    writer = csv.DictWriter(held, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows(study):
        writer.writerow({name: cell(value) for name, value in row.items()})
    return held.getvalue().encode()


def cell(value: Any) -> Any:
    """Return a value as CSV has it; a text that a spreadsheet would take for a formula gets a quote before it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def as_json(study: Study) -> bytes:
    """Return the study's design and its answers as JSON."""
    record = study.folder.record
    what = {"study": study.id, "title": study.folder.title, "design": record["design"], "question": study.question()}
    return json.dumps({**what, "ended": study.answers.ended(), "trials": rows(study)}, indent=1).encode()
