"""Compare: attacks against scenarios and defenses in one table, and what protection costs."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from workbench.core.errors import UsageError, WorkbenchError
from workbench.core.records import RunConfig
from workbench.engine.compatibility import problems
from workbench.grids import GRIDS, GridFile
from workbench.grids.base import gathered
from workbench.grids.fill import adopt
from workbench.ui.figures import number
from workbench.ui.shell import COMMAND, LIGHT, START, App, drawn_by, tab, told

METRICS = {
    "acc@1": "Acc@1",
    "acc@5": "Acc@5",
    "knn_dist": "KNN distance",
    "feat_dist": "feature distance",
    "ssim": "SSIM",
}
MOST_QUEUED = 60


def thumbnail(record: dict[str, Any], key: str) -> str:
    """Return a cell's contact sheet as HTML: the run's own, else the shipped one."""
    name = escape(f"{record['row']}, {record['column']}")
    if record.get("run"):
        return f'<img src="/wb/runs/{escape(record["run"])}/frames/latest.jpg" alt="Reconstructions: {name}" loading="lazy">'
    if record.get("sheet"):
        return f'<img src="/wb/tables/{escape(key)}/{escape(record["sheet"])}" alt="Reconstructions: {name}" loading="lazy">'
    return ""


def cell(record: dict[str, Any], key: str, metric: str) -> str:
    """Return one cell of the table as HTML."""
    if record["state"] != "finished":
        reason = escape(record.get("reason", "") or {"missing": "not run yet"}.get(record["state"], ""))
        return f'<td class="wb-cell" data-state="{record["state"]}"><small>{reason[:160]}</small></td>'
    value, floor = (record.get(part) or {} for part in ("metrics", "baseline"))
    figures = f"<b>{number(metric, value.get(metric))}</b>"
    if floor.get(metric) is not None:
        figures += f" <small>floor {number(metric, floor[metric])}</small>"
    picture = thumbnail(record, key)
    if record.get("run"):
        picture = f'<button type="button" class="wb-open" data-open="{escape(record["run"])}">{picture}</button>'
    return f'<td class="wb-cell" data-state="finished">{picture}<span>{figures}</span></td>'


def utility_of(at: dict[tuple[str, str], dict[str, Any]], row: str) -> str:
    """Return the target's accuracy where a whole row is of one target, as HTML."""
    found = {r.get("target_accuracy") for (name, _), r in at.items() if name == row and r["state"] == "finished"} - {
        None
    }
    others = {r.get("target_accuracy") for r in at.values() if r["state"] == "finished"} - {None}
    return f"<small>target {found.pop():.1%}</small>" if len(found) == 1 and len(others) > 1 else ""


def table(records: list[dict[str, Any]], key: str, metric: str) -> str:
    """Return a grid as HTML, rows down and columns across, a table for each group."""
    parts, absent = [], escape(GRIDS.entry(key).info.absent)
    for group in dict.fromkeys(r.get("group", "") for r in records):
        own = [r for r in records if r.get("group", "") == group]
        columns = list(dict.fromkeys(r["column"] for r in own))
        at = {(r["row"], r["column"]): r for r in own}
        head = "".join(f'<th scope="col">{escape(c)}</th>' for c in columns)
        body = "".join(
            f'<tr><th scope="row">{escape(row)}{utility_of(at, row)}</th>'
            + "".join(
                cell(at[row, c], key, metric) if (row, c) in at else f'<td class="wb-cell"><small>{absent}</small></td>'
                for c in columns
            )
            + "</tr>"
            for row in dict.fromkeys(r["row"] for r in own)
        )
        title = f"<h2 class='wb-h2'>{escape(group)}</h2>" if group else ""
        parts.append(
            f'{title}<table class="wb-table wb-grid" data-testid="grid"><thead><tr><td></td>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table>"
        )
    return "".join(parts)


def points(records: list[dict[str, Any]], metric: str) -> list[dict[str, Any]]:
    """Return what the plots show: a point a finished cell."""
    found = []
    for r in records:
        metrics = r.get("metrics") or {}
        if r["state"] == "finished" and metrics.get(metric) is not None:
            found.append(
                {
                    "row": r["row"],
                    "column": r["column"],
                    "group": r.get("group", ""),
                    "x": r.get("x"),
                    "leak": metrics[metric],
                    "floor": (r.get("baseline") or {}).get(metric),
                    "utility": r.get("target_accuracy"),
                }
            )
    return found


@tab("compare", title="Compare", order=4)
def build(app: App) -> None:
    gr.HTML(
        html_template='<section class="wb-versus" data-testid="pair" aria-label="Two runs person by person" tabindex="-1">'
        "</section>",
        js_on_load=drawn_by("compare/pair", "pair"),
        apply_default_css=False,
        elem_id="pair",
    )
    with gr.Row(elem_classes="wb-pickers"):
        which = gr.Dropdown(
            [(e.title, e.key) for e in GRIDS],
            value=next(iter(GRIDS)).key,
            label="Table",
            interactive=True,
            filterable=False,
            elem_id="grid-which",
        )
        metric = gr.Dropdown(
            [(title, key) for key, title in METRICS.items()],
            value="acc@1",
            label="Measure",
            interactive=True,
            filterable=False,
            elem_id="grid-metric",
        )
        fill = gr.Button("Run what is missing", size="sm", min_width=160, scale=0, elem_id="grid-fill")
    words = gr.HTML(apply_default_css=False)
    shown = gr.HTML(
        apply_default_css=False,
        elem_id="grid-table",
        js_on_load="element.addEventListener('click', e => { const b = e.target.closest('[data-open]'); "
        "if (b) trigger('select', {run: b.dataset.open}); })",
    )
    plots = gr.HTML(
        value={"points": [], "metric": ""},
        html_template=(
            '<div class="wb-two"><figure><figcaption><b>Privacy against utility</b></figcaption>'
            '<div class="wb-plot" data-plot="scatter" data-testid="scatter"></div></figure>'
            "<figure><figcaption><b>Over strength, or over queries</b></figcaption>"
            '<div class="wb-plot" data-plot="sweep" data-testid="sweep"></div></figure></div>'
        ),
        js_on_load=drawn_by("compare/plots", "compare"),
        apply_default_css=False,
        elem_id="grid-plots",
    )

    def look(key: str, measure: str) -> dict[Any, Any]:
        with told():
            adopt(GRIDS[key](), GridFile.of(app.store.root, key), app.store)
            records = gathered(key, app.store.root)
        count = sum(r["state"] == "finished" for r in records)
        command = f"<code>python -m workbench grid --preset {escape(key)}</code>"
        here = (
            f"All {count} cells are here; {command} shows them."
            if count == len(records)
            else f"{count} of {len(records)} cells are here. {command} fills the rest."
        )
        text = f'<p class="wb-note">{escape(GRIDS.entry(key).info.text)} {here}</p>'
        return {
            words: text,
            fill: gr.Button(visible=count < len(records)),
            shown: table(records, key, measure),
            plots: {
                "points": points(records, measure),
                "metric": METRICS[measure],
                "axis": GRIDS.entry(key).info.axis,
            },
        }

    outputs = [words, fill, shown, plots]

    def run_missing(key: str, measure: str, request: gr.Request) -> dict[Any, Any]:
        with told():
            wanted = [
                RunConfig.from_json(r["config"]) for r in gathered(key, app.store.root) if r["state"] == "missing"
            ]
            able = [config for config in wanted if not problems(config)]
            if not able:
                raise UsageError("Nothing is missing that could run here.")
            for config in able[:MOST_QUEUED]:
                app.submit(config, request)
            gr.Info(f"{len(able[:MOST_QUEUED])} runs are queued; see Runs.", title="Queued")
        return look(key, measure)

    def opened(event: gr.EventData) -> dict[Any, Any]:
        try:
            return {app.run: app.store.folder(event.run).id, app.tabs: gr.Tabs(selected="judge")}
        except WorkbenchError as error:
            raise gr.Error(str(error), title="Not possible", print_exception=False) from None

    fill.click(run_missing, [which, metric], outputs, **START)
    gr.on([which.input, metric.input], look, [which, metric], outputs, **LIGHT)
    shown.select(opened, None, [app.run, app.tabs], **COMMAND)
    app.ended.then(look, [which, metric], outputs, **LIGHT)
    app.when_opened("compare", look, [which, metric], outputs, **LIGHT)
