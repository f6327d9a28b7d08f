"""What came of a run for each person it attacked: what grids average over seeds and compare by."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from workbench.reports.marks import marks_of
from workbench.runs.run_folder import RunFolder
from workbench.tabular.scenarios import is_table

Persons = dict[str, float]  # a person's class to the share of tries at them that came off, 0 to 1


def persons_of(folder: RunFolder) -> dict[str, Persons]:
    """Return for each measure each person's share: `recognised` by all judges who can say no, and `acc@1`.

    Of an attribute inference it is `accuracy`, whether a record's value was named, for every record that was attacked. A
    measure of which nothing is known is left out.
    """
    if is_table(folder.config().scenario):
        held = folder.result()
        right = (held["answers"] == held["truth"]).int().tolist()
        return {"accuracy": {str(row): hit for row, hit in enumerate(right)}}
    candidates = folder.scene().get("candidates") or []
    marks = marks_of(folder.judgement(), len(candidates))
    tries: dict[str, dict[str, list[float]]] = {"recognised": defaultdict(list), "acc@1": defaultdict(list)}
    for candidate, mark in zip(candidates, marks, strict=True):
        who = str(candidate["class"])
        if mark["said"]:
            tries["recognised"][who].append(float(mark["said"] == "yes"))
        if mark["evaluator"] is not None:
            tries["acc@1"][who].append(float(mark["evaluator"]))
    return {
        measure: {who: sum(hits) / len(hits) for who, hits in people.items()}
        for measure, people in tries.items()
        if people
    }


def measure_of(record: dict[str, Any], measure: str) -> Persons:
    """Return each person's share in a cell's record; {} where it does not tell."""
    return (record.get("persons") or {}).get(measure) or {}
