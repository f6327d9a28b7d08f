"""A table of runs as HTML: a place for each row and column, with faces, figures and what can be done with it."""

from __future__ import annotations

from html import escape
from typing import Any

from workbench.grids.own import Table
from workbench.grids.places import MEASURES, Place, places
from workbench.reports.figures import number
from workbench.tabular.scenarios import is_table

METRICS = {
    "recognised": "Recognised",
    "acc@1": "Acc@1",
    "acc@5": "Acc@5",
    "knn_dist": "KNN distance",
    "feat_dist": "Feature distance",
    "ssim": "SSIM",
    "recovered_psnr": "PSNR, true picture",
    "recovered_ssim": "SSIM, true picture",
    "accuracy": "Records named right",
    "mcc": "MCC, records",
}
BY_PERSON = tuple(MEASURES)
FACES = 4  # of a cell
SIDE = 52  # pixels across a face


def faces(record: dict[str, Any], key: str) -> str:
    """Return a cell's first faces as HTML: the run's own, else the shipped ones; "" where records have none."""
    if is_table(record["config"]["scenario"]):
        return ""
    name = escape(f"{record['row']}, {record['column']}")
    config, layout = record["config"], record.get("layout")
    if record.get("run"):
        address, count = (
            f"/wb/runs/{escape(record['run'])}/frames/latest.jpg",
            len(config["classes"]) * config["restarts"],
        )
        columns = layout["columns"] if layout else min(FACES, count)
    elif record.get("sheet"):
        address = f"/wb/tables/{escape(key)}/{escape(record['sheet'])}"
        columns = min(10, len(set(config["classes"])))
    else:
        return ""
    width, height = layout["tile"] if layout else (1, 1)
    shown = min(FACES, columns)
    return (
        f'<span class="wb-faces" style="width:{shown * SIDE}px;height:{round(SIDE * height / width)}px">'
        f'<img src="{address}" alt="Reconstructions: {name}" loading="lazy" style="width:{columns * SIDE}px"></span>'
    )


def value_of(record: dict[str, Any], metric: str) -> float | None:
    """Return a measure of one run."""
    if metric == "recognised":
        verdict = record.get("verdict")
        return verdict["recognised"] / verdict["n"] if verdict else None
    return (record.get("metrics") or {}).get(metric)


def floor_of(record: dict[str, Any], metric: str) -> float | None:
    """Return the same measure of random samples of the prior."""
    if metric == "recognised":
        return (record.get("verdict") or {}).get("baseline")
    return (record.get("baseline") or {}).get(metric)


def written(metric: str, value: float | None) -> str:
    if metric == "recognised":
        return "–" if value is None else f"{100 * value:.0f} %"
    return number(metric, value)


def figures(place: Place, metric: str) -> str:
    """Return a place's measure as HTML: over its seeds with an interval by person, else with the floor."""
    values = [v for r in place.finished if (v := value_of(r, metric)) is not None]
    mean = sum(values) / len(values) if values else None
    config = place.finished[0]["config"]
    pictures = len(config["classes"]) * config["restarts"]
    of = f" of {pictures}" if metric in BY_PERSON and mean is not None else ""
    said = f"<b>{written(metric, mean)}</b>{of}"
    average = place.average(metric) if metric in BY_PERSON else None
    if average is not None and (len(place.records) > 1 or metric == "recognised"):
        low, high = average.interval
        said += f" <small>{100 * low:.0f} to {100 * high:.0f} %</small>"
    elif (floor := floor_of(place.finished[0], metric)) is not None:
        said += f" <small>floor {written(metric, floor)}</small>"
    return said


def cell(place: Place, table: Table, metric: str) -> str:
    """Return one place of the table as HTML."""
    done, word = place.finished, escape(place.word()[:200])
    open_ones = [r for r in place.records if r["state"] in ("missing", "failed", "stopped", "skipped")]
    acts = leaving(open_ones, len(place.records) > 1) if table.own else ""
    if not done:
        return f'<td class="wb-cell" data-state="{place.state}"><small>{word}</small>{acts}</td>'
    runs = [r for r in done if r.get("run")]
    picture = faces(done[0], table.key) or ("<small>Open</small>" if runs else "")
    if runs:
        run = escape(runs[0]["run"])
        picture = f'<button type="button" class="wb-open" data-open="{run}" title="Open this run in Invert">{picture}</button>'
        seeds = "".join(_seed(r) for r in runs) if len(runs) > 1 else ""
        acts = (
            f'<span class="wb-cell-acts">{seeds}<button type="button" class="wb-plain" data-pin="{run}" '
            f'title="Keep this run to be compared with another">Pin</button>{acts}</span>'
        )
    more = f"<small>{word}</small>" if word else ""
    return f'<td class="wb-cell" data-state="finished">{picture}<span>{figures(place, metric)}</span>{more}{acts}</td>'


def _seed(record: dict[str, Any]) -> str:
    run, seed = escape(record["run"]), record.get("seed")
    return (
        f'<button type="button" class="wb-plain" data-open="{run}" title="Open the run of seed {seed}">{seed}</button>'
    )


def leaving(records: list[dict[str, Any]], seeds: bool) -> str:
    """Return what leaves cells out, or takes them in again, as HTML: a word, and a number for each seed."""
    parts = []
    for skipped, word in ((False, "Leave out"), (True, "Take in")):
        chosen = [r for r in records if (r["state"] == "skipped") is skipped]
        if not chosen:
            continue
        if not seeds:
            parts.append(_skip(chosen[0], word, word))
            continue
        numbers = "".join(_skip(r, f"{word} seed {r['seed']}", str(r["seed"])) for r in chosen)
        parts.append(f'<span class="wb-leave"><small>{word} seed</small>{numbers}</span>')
    return "".join(parts)


def _skip(record: dict[str, Any], label: str, text: str) -> str:
    return (
        f'<button type="button" class="wb-plain" data-skip="{escape(record["id"])}" aria-label="{escape(label)}">'
        f"{escape(text)}</button>"
    )


def utility_of(inside: list[Place], row: str) -> str:
    """Return the target's accuracy where a whole row is of one target, as HTML."""
    done = [(p.row, r.get("target_accuracy")) for p in inside for r in p.finished]
    found = {accuracy for name, accuracy in done if name == row} - {None}
    others = {accuracy for _, accuracy in done} - {None}
    return f"<small>target {found.pop():.1%}</small>" if len(found) == 1 and len(others) > 1 else ""


def table(records: list[dict[str, Any]], about: Table, metric: str) -> str:
    """Return a grid as HTML, rows down and columns across, a table for each group."""
    parts, absent, held = [], escape(about.absent), places(records)
    for group in dict.fromkeys(place.group for place in held):
        inside = [place for place in held if place.group == group]
        columns = list(dict.fromkeys(place.column for place in inside))
        at = {(place.row, place.column): place for place in inside}
        head = "".join(f'<th scope="col">{escape(c)}</th>' for c in columns)
        body = "".join(
            f'<tr><th scope="row">{escape(row)}{utility_of(inside, row)}</th>'
            + "".join(
                cell(at[row, c], about, metric)
                if (row, c) in at
                else f'<td class="wb-cell"><small>{absent}</small></td>'
                for c in columns
            )
            + "</tr>"
            for row in dict.fromkeys(place.row for place in inside)
        )
        title = f"<h2 class='wb-h2'>{escape(group)}</h2>" if group else ""
        parts.append(
            f'{title}<div class="wb-scroll" tabindex="0" role="region" aria-label="{escape(group or about.title)}">'
            f'<table class="wb-table wb-grid" data-testid="grid"><thead><tr><td></td>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )
    return "".join(parts)


def points(records: list[dict[str, Any]], metric: str) -> list[dict[str, Any]]:
    """Return what the plots show: a point a place where something has finished."""
    found = []
    for place in places(records):
        values = [v for r in place.finished if (v := value_of(r, metric)) is not None]
        if values:
            first = place.finished[0]
            found.append(
                {
                    "row": place.row,
                    "column": place.column,
                    "group": place.group,
                    "x": first.get("x"),
                    "leak": sum(values) / len(values),
                    "floor": floor_of(first, metric),
                    "utility": first.get("target_accuracy"),
                }
            )
    return found
