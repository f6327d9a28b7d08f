"""Judge: what a run leaked, always between a floor and a ceiling."""

from __future__ import annotations

import time
from html import escape
from typing import Any

import gradio as gr

from workbench.core.errors import WorkbenchError
from workbench.metrics import METRICS
from workbench.reports.figures import arrow, number
from workbench.reports.record import title_of
from workbench.runs.run_folder import RunFolder
from workbench.ui.shell import LIGHT, App, drawn_by, tab


def row(metric: str, found: dict[str, Any], floor: dict[str, Any] | None, ceiling: dict[str, Any] | None) -> str:
    entry = METRICS.entry(metric) if metric in METRICS else None
    value = found["overall"].get(metric)
    interval = (found.get("intervals") or {}).get(metric)
    spread = f"<small>{number(metric, interval[0])} to {number(metric, interval[1])}</small>" if interval else ""
    beside = "".join(
        f'<td class="num wb-soft">{number(metric, (side or {}).get("overall", {}).get(metric))}</td>'
        for side in (floor, ceiling)
    )
    what = escape(entry.info.compares) if entry else ""
    return (
        f'<tr><th scope="row">{escape(entry.title if entry else metric)} <span class="wb-arrow" aria-label="'
        f'{"higher" if arrow(metric) == "↑" else "lower"} means more leaked">{arrow(metric)}</span>'
        f'</th><td class="num wb-strong">{number(metric, value)}{spread}</td>{beside}'
        f"<td>{bar(metric, value, floor, ceiling)}</td></tr>"
        f'<tr class="wb-why"><td colspan="5">Compares {what}.</td></tr>'
    )


def bar(metric: str, value: float | None, floor: dict[str, Any] | None, ceiling: dict[str, Any] | None) -> str:
    """Return how far from floor to ceiling a value lies, as a bar; "" where one of the two is not known."""
    low, high = ((side or {}).get("overall", {}).get(metric) for side in (floor, ceiling))
    if value is None or low is None or high is None or low == high:
        return ""
    share = max(0.0, min(1.0, (value - low) / (high - low)))
    return (
        f'<span class="wb-between" role="img" aria-label="{100 * share:.0f} percent of the way from floor to '
        f'ceiling"><i style="width:{100 * share:.0f}%"></i></span>'
    )


def table(folder: RunFolder) -> str:
    """Return the metrics of a run beside floor and ceiling, as HTML."""
    judged, manifest = folder.judgement(), folder.manifest()
    if judged is None:
        state = manifest["state"]
        waits = state in ("queued", "running", "paused")
        why = "It is judged when it ends." if waits else manifest.get("reason") or "It was not judged."
        return f'<p class="wb-note">Run {escape(folder.id)} is {escape(state)}. {escape(why)}</p>'
    found, floor, ceiling = judged["reconstruction"], judged.get("baseline"), judged.get("ceiling")
    body = "".join(row(m, found, floor, ceiling) for m, value in found["overall"].items() if value is not None)
    spent = cost(manifest, found["overall"].get("acc@1"))
    return (
        f'<section class="wb-card-text"><h2>{found["n"]} reconstruction{"s" * (found["n"] != 1)}</h2>{spent}'
        f'<p class="wb-note">An evaluator judges: a separate network, trained on all private images, which the '
        f"attacker never saw. <b>Floor</b>: random samples of the prior. <b>Ceiling</b>: real photographs that the "
        f"target never saw. ↑ ↓ say which way more leaked. Ranges are 95 % intervals; with few images they are wide."
        f'</p><div class="wb-scroll"><table class="wb-table wb-metrics" data-testid="metrics"><thead><tr>'
        f"<th>measure</th><th class='num'>this run</th><th class='num'>floor</th><th class='num'>ceiling</th>"
        f"<td></td></tr></thead><tbody>{body}</tbody></table></div></section>"
    )


def cost(manifest: dict[str, Any], accuracy: float | None) -> str:
    """Return what a run paid in queries, and the accuracy it got for a thousand of them, as HTML."""
    asked, classes = manifest.get("queries"), len(manifest["config"]["classes"])
    if not asked:
        return '<p class="wb-note" data-testid="queries">The target was not asked.</p>' if asked == 0 else ""
    each = asked / classes
    gained = (
        ""
        if accuracy is None
        else (
            f" Accuracy reached per 1,000 queries a class: {100 * accuracy * 1000 / each:.3g} %."
            if each >= 1000
            else f" Accuracy reached with fewer than 1,000 queries a class: {100 * accuracy:.3g} %."
        )
    )
    return f'<p class="wb-spent" data-testid="queries"><b>{asked:,} {"query" if asked == 1 else "queries"}, {each:,.0f} a class.</b>{gained}</p>'


def choices(app: App) -> list[tuple[str, str]]:
    """Return (description, id) of the runs that recorded something, newest first."""
    return [
        (f"{f'{r.name}: ' if r.name else ''}{title_of(vars(r))} · {r.id} · {r.state.value}", r.id)
        for r in app.store.list(100)
    ]


@tab("judge", title="Judge", order=3)
def build(app: App) -> None:
    run = gr.Dropdown([], label="Run", filterable=True, interactive=True, elem_id="judge-run")
    pictures = gr.HTML(
        value={},
        html_template='<div class="wb-judging" data-testid="judging"></div>',
        js_on_load=drawn_by("judge/judge", "judge"),
        apply_default_css=False,
        elem_id="judge-pictures",
    )
    metrics = gr.HTML(apply_default_css=False, elem_id="judge-metrics")

    def show(chosen: str | None) -> dict[Any, Any]:
        if not chosen:
            return {
                metrics: '<p class="wb-note">Nothing has run yet. Start an attack in Invert.</p>',
                pictures: {"run": ""},
            }
        try:
            folder = app.store.folder(chosen)
            return {metrics: table(folder), pictures: {"run": folder.id, "seq": time.time_ns()}}
        except WorkbenchError as error:
            return {metrics: f'<div class="wb-problem"><p>{escape(str(error))}</p></div>', pictures: {"run": ""}}

    def opened(shown: str, chosen: str | None) -> dict[Any, Any]:
        offered = choices(app)
        ids = [key for _, key in offered]
        pick = shown if shown in ids else chosen if chosen in ids else next(iter(ids), None)
        return {run: gr.Dropdown(offered, value=pick), **show(pick)}

    outputs = [run, metrics, pictures]
    app.when_opened("judge", opened, [app.run, run], outputs, **LIGHT)
    app.ended.then(opened, [app.run, run], outputs, **LIGHT)
    run.input(show, run, outputs[1:], **LIGHT)
