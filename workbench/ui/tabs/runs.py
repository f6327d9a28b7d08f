"""Runs: everything that ran. Reopen, repeat, rename, compare, take away, delete."""

from __future__ import annotations

import time
from dataclasses import replace
from html import escape
from typing import Any

import gradio as gr

from workbench.attacks import ATTACKS
from workbench.core.errors import StoreError, UsageError, WorkbenchError
from workbench.core.records import Fork, RunConfig
from workbench.priors import PRIORS
from workbench.runs.store import RunSummary
from workbench.ui.shell import COMMAND, LIGHT, START, App, drawn_by, tab, told
from workbench.ui.tabs.judge import arrow, number

LONGEST_NAME = 80


def ago(then: float) -> str:
    """Return how long ago a time was, roughly."""
    seconds = max(0, time.time() - then)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return "just now"


def row(summary: RunSummary) -> dict[str, Any]:
    """Return one line of the table as plain data; the page writes it as text, never as markup."""
    shared = {
        "id": summary.id,
        "kind": summary.kind,
        "name": summary.name or "",
        "state": summary.state.value,
        "ended": summary.state.ended,
        "seed": summary.seed,
        "when": ago(summary.created),
        "reason": summary.reason,
        "seconds": None if summary.seconds is None else round(summary.seconds, 1),
    }
    if summary.kind == "training":
        what = (
            f"target {summary.target}"
            if summary.attack == "target"
            else (
                f"{PRIORS.entry(summary.attack).title if summary.attack in PRIORS else summary.attack} prior"
                + (f" for {summary.target}" if summary.target else "")
            )
        )
        return {**shared, "what": f"Training: {what} on {summary.scenario}{defended(summary)}", "steps": summary.steps}
    attack = ATTACKS.entry(summary.attack).title if summary.attack in ATTACKS else summary.attack
    return {
        **shared,
        "what": f"{attack} on {summary.scenario}/{summary.target}{defended(summary)}",
        "count": summary.candidates,
        "accuracy": None if summary.accuracy is None else round(100 * summary.accuracy),
    }


def defended(summary: RunSummary) -> str:
    return "" if summary.defense == "none" else f" + {summary.defense}"


def differences(a: RunConfig, b: RunConfig) -> list[tuple[str, Any, Any]]:
    """Return what two configurations set differently: name, first, second."""
    left, right = ({**c.to_json(), **{f"knob {k}": v for k, v in c.knobs.items()}} for c in (a, b))
    for side in (left, right):
        side.pop("knobs")
    return [(k, left.get(k), right.get(k)) for k in {**left, **right} if left.get(k) != right.get(k)]


def compared(app: App, a: str | None, b: str | None) -> str:
    """Return two runs side by side: sheets, metrics, and what was set differently, as HTML."""
    if not a or not b:
        return '<p class="wb-note">Choose two runs.</p>'
    try:
        folders = [app.store.folder(run) for run in (a, b)]
        judged = [(f.judgement() or {}).get("reconstruction", {}).get("overall", {}) for f in folders]
        changed = differences(*(f.config() for f in folders))
    except WorkbenchError as error:
        return f'<div class="wb-problem"><p>{escape(str(error))}</p></div>'
    sheets = "".join(
        f"<figure><figcaption><b>{letter}</b> {escape(f.manifest().get('name') or f.id)}</figcaption>"
        + (
            f'<img src="/wb/runs/{f.id}/frames/latest.webp" alt="Contact sheet of run {escape(f.id)}">'
            if f.latest() is not None
            else '<p class="wb-note">No frame was recorded.</p>'
        )
        + "</figure>"
        for letter, f in zip("AB", folders, strict=True)
    )
    metrics = "".join(
        f'<tr><th scope="row">{escape(m)} {arrow(m)}</th>'
        + "".join(f'<td class="num">{number(m, side.get(m))}</td>' for side in judged)
        + "</tr>"
        for m in {**judged[0], **judged[1]}
    )
    settings = (
        "".join(
            f'<tr><th scope="row">{escape(k)}</th><td>{escape(str(x))}</td><td>{escape(str(y))}</td></tr>'
            for k, x, y in changed
        )
        or '<tr><td colspan="3">Nothing: the same settings.</td></tr>'
    )
    return (
        f'<div class="wb-ab" data-testid="compared">{sheets}</div><div class="wb-two"><table class="wb-table"><thead>'
        f"<tr><th>measure</th><th class='num'>A</th><th class='num'>B</th></tr></thead><tbody>{metrics}</tbody>"
        f'</table><table class="wb-table"><thead><tr><th>set differently</th><th>A</th><th>B</th></tr></thead>'
        f"<tbody>{settings}</tbody></table></div>"
    )


@tab("runs", title="Runs", order=8)
def build(app: App) -> None:
    table = gr.HTML(
        value={"rows": [], "seq": 0},
        html_template='<div class="wb-runs" data-testid="runs"></div>',
        js_on_load=drawn_by("runs/runs", "runs"),
        apply_default_css=False,
        elem_id="runs-table",
    )
    gr.HTML('<h2 class="wb-h2">Compare two runs</h2>', apply_default_css=False)
    with gr.Row(elem_classes="wb-pickers"):
        first = gr.Dropdown([], label="A", interactive=True, elem_id="compare-a")
        second = gr.Dropdown([], label="B", interactive=True, elem_id="compare-b")
    beside = gr.HTML(apply_default_css=False, elem_id="compared")

    def listed(request: gr.Request) -> dict[Any, Any]:
        summaries = app.store.list(200, kind=None)
        offered = [(f"{s.name or s.id} ({s.state.value})", s.id) for s in summaries if s.kind == "run"]
        return {
            table: {"rows": [{**row(s), "mine": app.owns(s.owner, request)} for s in summaries], "seq": time.time_ns()},
            first: gr.Dropdown(offered),
            second: gr.Dropdown(offered),
        }

    outputs = [table, first, second]
    app.when_opened("runs", listed, None, outputs, **LIGHT)
    app.ended.then(listed, None, outputs, **LIGHT)

    def opened(run: str) -> dict[Any, Any]:
        return {app.run: run, app.tabs: gr.Tabs(selected="invert")}

    def act(event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        """Do what a line's buttons ask for."""
        with told():
            folder = app.store.job(event.run)
            if event.do == "delete":
                app.delete(folder.id, request)
                return listed(request)
            if event.do == "stop":
                app.stop(folder.id, request)
                return listed(request)
            if event.do == "rename":
                app.rename(folder.id, str(event.name).strip()[:LONGEST_NAME], request)
                return listed(request)
            if event.do == "watch":
                asked = app.wanted[request.session_hash or ""] = app.store.training(folder.id).config()
                return {app.tabs: gr.Tabs(selected=asked.what)}
            folder = app.store.folder(folder.id)
            if event.do == "open":
                return opened(folder.id)
            if event.do == "judge":
                return {app.run: folder.id, app.tabs: gr.Tabs(selected="judge")}
            raise UsageError("There is no such action.")

    def start(event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        """Run a line's configuration again, or go on from its last frame."""
        with told():
            folder = app.store.folder(event.run)
            config = folder.config()
            if event.do == "fork":
                if (frame := folder.latest()) is None:
                    raise StoreError(f"Run {folder.id} has no frame to go on from.")
                config = replace(config, fork=Fork(folder.id, frame))
            return opened(app.submit(config, request))

    table.submit(start, None, [app.run, app.tabs], **START)
    table.select(act, None, [app.run, app.tabs, *outputs], **COMMAND)
    gr.on([first.input, second.input], lambda a, b: compared(app, a, b), [first, second], beside, **LIGHT)
