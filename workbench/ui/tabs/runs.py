"""Runs: everything that ran. Reopen, repeat, rename, compare, take away, delete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import gradio as gr

from workbench.core.errors import StoreError, UsageError, WorkbenchError
from workbench.core.records import Fork, RunConfig
from workbench.tabular.scenarios import is_table
from workbench.ui.shell import COMMAND, LIGHT, START, App, drawn_by, session_of, tab, told
from workbench.ui.tabs.run_list import MOST_AT_ONCE, Look, listing

LONGEST_NAME = 80


def chosen_of(event: Mapping[str, Any]) -> list[str]:
    """Return the runs that lines' boxes were ticked of."""
    runs = event.get("runs")
    if not isinstance(runs, list) or len(runs) > MOST_AT_ONCE:
        raise UsageError(f"Choose at most {MOST_AT_ONCE} runs at once.")
    return [str(run) for run in runs]


def delete_all(app: App, runs: list[str], request: gr.Request) -> str:
    """Delete runs; returns a sentence that says how many are gone, and why any are not."""
    gone, reasons = 0, []
    for run in runs:
        try:
            app.delete(app.store.job(run).id, request)
            gone += 1
        except WorkbenchError as error:
            reasons.append(str(error))
    return " ".join([f"{gone} deleted." if gone != 1 else "One deleted.", *dict.fromkeys(reasons)])


def config_to_start(app: App, event: Mapping[str, Any]) -> RunConfig:
    """Return a line's configuration to run again, or to go on with from its last frame."""
    folder = app.store.folder(str(event.get("run")))
    if event.get("do") != "fork":
        return folder.config()
    if (frame := folder.latest()) is None:
        raise StoreError(f"Run {folder.id} has no frame to go on from.")
    return replace(folder.config(), fork=Fork(folder.id, frame))


@tab("runs", title="Runs", order=8)
def build(app: App) -> None:
    table = gr.HTML(
        value={"rows": [], "seq": 0},
        html_template='<div class="wb-runs" data-testid="runs"></div>',
        js_on_load=drawn_by("runs/runs", "runs"),
        apply_default_css=False,
        elem_id="runs-table",
    )

    def listed(value: Any, request: gr.Request, said: str = "") -> dict[Any, Any]:
        return {table: listing(app.store, Look.of(value), lambda owner: app.owns(owner, request), said)}

    def open_run(run: str, page: str = "invert") -> dict[Any, Any]:
        if is_table(app.store.summary(run).scenario):
            return {app.inferred: run, app.tabs: gr.Tabs(selected="attributes")}
        return {app.run: run, app.tabs: gr.Tabs(selected=page)}

    def act(value: Any, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        """Do what a line's buttons ask for, or those of all the lines that are chosen."""
        asked = dict(event._data)
        with told():
            match asked.get("do"):
                case "compare":
                    return {app.tabs: gr.Tabs(selected="compare")}
                case "delete-all":
                    return listed(value, request, delete_all(app, chosen_of(asked), request))
            if asked.get("do") == "delete":  # a damaged run has no folder left to look at
                app.delete(str(asked.get("run")), request)
                return listed(value, request)
            run = app.store.job(str(asked.get("run"))).id
            match asked.get("do"):
                case "stop":
                    app.stop(run, request)
                case "rename":
                    app.rename(run, str(asked.get("name")).strip()[:LONGEST_NAME], request)
                case "watch":
                    training = app.wanted[session_of(request)] = app.store.training(run).config()
                    return {app.tabs: gr.Tabs(selected=training.what)}
                case "open":
                    return open_run(app.store.folder(run).id)
                case "judge":
                    return open_run(app.store.folder(run).id, "judge")
                case _:
                    raise UsageError("There is no such action.")
        return listed(value, request)

    def start(event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        with told():
            asked = dict(event._data)
            again = str(asked.get("run")) if asked.get("do") == "again" else ""
            return open_run(app.submit(config_to_start(app, asked), request, again))

    def look(value: Any, request: gr.Request) -> dict[Any, Any]:
        return listed(value, request)

    app.when_opened("runs", look, table, table, **LIGHT)
    app.ended.then(look, table, table, **LIGHT)
    table.input(look, table, table, **LIGHT)
    table.submit(start, None, [app.run, app.inferred, app.tabs], **START)
    table.select(act, table, [app.run, app.inferred, app.tabs, table], **COMMAND)
