"""A grid's results as a table to read."""

from __future__ import annotations

from typing import Any

COLUMNS = {"Acc@1": "acc@1", "Acc@5": "acc@5", "KNN distance": "knn_dist", "feature distance": "feat_dist"}


def figure(record: dict[str, Any], name: str) -> str:
    """Return a metric with the random-prior floor in brackets, or a dash."""
    value, floor = (record.get(part) or {} for part in ("metrics", "baseline"))
    if value.get(name) is None:
        return "–"
    digits = 2 if name.startswith("acc") else 1
    text = f"{value[name]:.{digits}f}"
    return text if floor.get(name) is None else f"{text} ({floor[name]:.{digits}f})"


def markdown(records: list[dict[str, Any]]) -> str:
    """Return the records as Markdown, a table for each column of the grid."""
    parts = []
    for group in dict.fromkeys((r.get("group", ""), r["column"]) for r in records):
        rows = [r for r in records if (r.get("group", ""), r["column"]) == group]
        head = ["attack", "n", *COLUMNS, "steps/s", "seconds"]
        lines = [f"**{' / '.join(filter(None, group))}**", "", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
        for record in rows:
            if record["state"] != "finished":
                lines.append(f"| {record['row']} | {record['state']}: {record.get('reason', '')[:120]} "
                             + "| " * (len(head) - 1) + "|")
                continue
            n = len(record["config"]["classes"]) * record["config"]["restarts"]
            speed = record.get("steps_per_second")
            cells = [record["row"], str(n), *(figure(record, name) for name in COLUMNS.values()),
                     "–" if speed is None else f"{speed:.3g}", f"{record['seconds']:.0f}"]
            lines.append(f"| {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"
