"""A grid's results as a table to read."""

from __future__ import annotations

import io
import re
from typing import Any

import torch

from workbench.runs.contact_sheet import SheetLayout, compose
from workbench.runs.run_folder import RunFolder

COLUMNS = {"Acc@1": "acc@1", "Acc@5": "acc@5", "KNN distance": "knn_dist", "feature distance": "feat_dist"}
JUDGED = ("recognised", "FPR", "FNR", "TPR", "TNR")  # the judges' verdict, and the evaluator measured against it
TRAINED = ("training s",)


def whole(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def figure(record: dict[str, Any], name: str) -> str:
    """Return a metric with the random-prior floor in brackets, or a dash."""
    value, floor = (record.get(part) or {} for part in ("metrics", "baseline"))
    if value.get(name) is None:
        return "–"
    digits = 2 if name.startswith("acc") else 1
    text = f"{value[name]:.{digits}f}"
    return text if floor.get(name) is None else f"{text} ({floor[name]:.{digits}f})"


def judged(record: dict[str, Any]) -> list[str]:
    """Return how many the judges who can say no recognise, with the floor in brackets, and the evaluator's rates against them.

    FPR is the share of what they do not recognise that the evaluator counts as leaked, TPR that of what they do; see
    `workbench.metrics.evaluator_rates`. A dash where nobody can say no, or there is nothing to take a share of.
    """
    verdict = record.get("verdict") or {}
    rates = [verdict.get("evaluator", {}).get(name.lower()) for name in JUDGED[1:]]
    known, floor = "–", verdict.get("baseline")
    if verdict:
        known = f"{verdict['recognised']}/{verdict['n']}" + ("" if floor is None else f" ({floor:.2f})")
    return [known, *("–" if rate is None else f"{rate:.2f}" for rate in rates)]


def markdown(records: list[dict[str, Any]], rows: str = "attack") -> str:
    """Return the records as Markdown, a table for each column of the grid.

    Args:
        rows: what a row is.
    """
    parts = []
    for group in dict.fromkeys((r.get("group", ""), r["column"]) for r in records):
        inside = [r for r in records if (r.get("group", ""), r["column"]) == group]
        head = [
            rows,
            "n",
            *JUDGED,
            *COLUMNS,
            "target accuracy",
            *(TRAINED if rows != "attack" else ()),
            "steps/s",
            "seconds",
        ]
        lines = [f"**{' / '.join(filter(None, group))}**", "", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
        for record in inside:
            if record["state"] != "finished":
                lines.append(
                    f"| {record['row']} | {record['state']}: {record.get('reason', '')[:120]} "
                    + "| " * (len(head) - 1)
                    + "|"
                )
                continue
            n = len(record["config"]["classes"]) * record["config"]["restarts"]
            speed, accuracy = record.get("steps_per_second"), record.get("target_accuracy")
            cells = [
                record["row"],
                str(n),
                *judged(record),
                *(figure(record, name) for name in COLUMNS.values()),
                "–" if accuracy is None else f"{accuracy:.3f}",
                *(whole(record.get("training_seconds")) for _ in (TRAINED if rows != "attack" else ())),
                "–" if speed is None else f"{speed:.3g}",
                f"{record['seconds']:.0f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def sheet_name(record: dict[str, Any]) -> str:
    """Return the file name of a record's sheet."""
    seed = "" if record.get("seed") is None else f"seed {record['seed']}"
    words = "-".join(filter(None, (record.get("group", ""), record["row"], record["column"], seed)))
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-") + ".webp"


def sheet_of(folder: RunFolder, most: int = 10) -> bytes:
    """Return a run's first reconstructions, one of each class, as one row of WebP.

    Raises:
        StoreError: the run has no result.
    """
    held = folder.result()
    first = [int((held["labels"] == c).nonzero()[0]) for c in held["labels"].unique().tolist()[:most]]
    images = held["images"][torch.tensor(first)]
    picture = compose(images, SheetLayout(len(images), len(images), (images.shape[3], images.shape[2])))
    kept = io.BytesIO()
    picture.convert("RGB").save(kept, "WEBP", quality=85)
    return kept.getvalue()
