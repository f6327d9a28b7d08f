"""Target: what is attacked, what it learned from, and what the attacker knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from workbench.core.errors import UsageError
from workbench.core.records import TrainingConfig
from workbench.engine.presets import PRESETS
from workbench.ui.components.forms import custom, part
from workbench.ui.first_look import first_look
from workbench.ui.routes.trainings import target_training
from workbench.ui.shell import COMMAND, LIGHT, QUIET, App, session_of, tab, told
from workbench.ui.tabs.target_handlers import (
    Picks,
    TargetHandlers,
    Updates,
    defense_choices,
    elsewhere,
    gallery,
    measure,
    pages,
)

PICKERS = ("scenario", "target", "training", "output", "knobs", "around")
SHOWN = ("card", "chance", "compared", "attack", "asked")
AROUND = ("page", "attacker", "images")  # what is the scenario's own


class Page:
    """The controls of the tab by name, and how answers are put into them."""

    def __init__(self, app: App) -> None:
        first, catalog = PRESETS[0].config, app.catalog
        self.controls: dict[str, Any] = {}

        def menu(name: str, label: str, choices: list[tuple[str, str]], value: str, elem_id: str) -> None:
            self.controls[name] = gr.Dropdown(choices, value=value, label=label, filterable=False, elem_id=elem_id)

        with gr.Row(elem_classes="wb-pickers"):
            menu("scenario", "Scenario", catalog.scenarios(), first.scenario, "target-scenario")
            menu("target", "Target", catalog.targets(first.scenario), first.target, "target-arch")
            menu("training", "Training defense", defense_choices("training"), "none", "target-training")
            menu("output", "Output defense", defense_choices("output"), "none", "target-output")
            count = pages(catalog, first.scenario)
            self.controls["page"] = gr.Slider(1, max(2, count), 1, step=1, label="Page", buttons=[], visible=count > 1)
        with gr.Row(equal_height=False):
            with gr.Column(scale=1, min_width=360):
                with gr.Row(elem_id="target-knobs", elem_classes="wb-card-text", visible=False) as panels:
                    self.controls["knobs"] = custom("knobs", {}, label="Knobs", elem_id="training-knobs")
                    self.controls["around"] = custom("knobs", {}, label="Knobs", elem_id="output-knobs")
                self.controls["panels"] = panels
                self.controls["chance"] = part("training", "target-training-part")
                self.text("looked", "target-looked")
                self.text("compared", "target-compared")
                self.controls["attack"] = gr.Button(
                    "Attack this target", variant="primary", elem_id="target-attack", visible=False
                )
                self.text("attacker", "target-known")
                gr.HTML(elsewhere(), apply_default_css=False)
            with gr.Column(scale=1, min_width=420):
                self.text("images", "target-gallery")
                self.text("card", "target-card")
        # What the comparison is of. No `gr.State`: for one, Gradio holds a connection for as long as a tab is open.
        self.controls["asked"] = gr.Textbox("", visible="hidden", label="Compared")

    def text(self, name: str, elem_id: str) -> None:
        self.controls[name] = gr.HTML(apply_default_css=False, elem_id=elem_id)

    def of(self, *names: str) -> list[Any]:
        return [self.controls[name] for name in names]

    def put(self, updates: Updates) -> dict[Any, Any]:
        return {self.controls[name]: gr.update(**update) for name, update in updates.items()}

    def on_picks(self, handler: Callable[[Picks, str], Updates]) -> Callable[..., Any]:
        """Return a listener for a handler, which is given what the pickers say and what the comparison is of."""

        def listener(before: str, *said: Any) -> dict[Any, Any]:
            with told():
                return self.put(handler(picks_of(said), before))

        return listener


def picks_of(said: tuple[Any, ...]) -> Picks:
    scenario, target, training, output, knobs, around = said
    return Picks(scenario, target, training or "none", output or "none", knobs or {}, around or {})


def wanted_target(app: App, session: str) -> TrainingConfig | None:
    """Return the target's training that a session asked for elsewhere, once."""
    wanted = app.wanted.get(session)
    return app.wanted.pop(session) if wanted is not None and wanted.what == "target" else None


@tab("target", title="Target", order=0)
def build(app: App) -> None:
    page, do = Page(app), TargetHandlers(app.catalog)
    c, given = page.controls, page.of("asked", *PICKERS)

    def revisit(before: str, request: gr.Request, *said: Any) -> dict[Any, Any]:
        with told():
            return page.put(do.revisit(picks_of(said), wanted_target(app, session_of(request)), before))

    def measured(*said: Any) -> tuple[str, str]:
        with told():
            picks = picks_of(said)
            return first_look(picks.scenario, picks.target), measure(picks)

    def aim(request: gr.Request, *said: Any) -> gr.Tabs:
        """Turn to Invert, set to this target."""
        with told():
            app.aimed[session_of(request)] = picks_of(said).named()
        return gr.Tabs(selected="invert")

    def act(event: gr.EventData, request: gr.Request) -> None:
        train_or_stop(app, dict(event._data), request)

    shown, around = page.of(*SHOWN), page.of(*AROUND)
    knobs = page.of("knobs", "around", "panels")
    app.keep_current("target", c["scenario"])
    app.when_opened("target", revisit, given, [*page.of(*PICKERS), c["panels"], *around, *shown], **QUIET)
    c["scenario"].input(page.on_picks(do.choose_scenario), given, [c["target"], *around, *shown], **QUIET)
    defended = [c["training"].input, c["output"].input]
    gr.on(defended, page.on_picks(do.choose_defense), given, [*knobs, *shown], **QUIET)
    picked = [c["target"].input, c["knobs"].submit, c["around"].submit, c["chance"].input]
    gr.on(picked, page.on_picks(do.show), given, shown, **QUIET)
    # One listener for all of these: the newest measurement is the last.
    c["chance"].change(measured, page.of(*PICKERS), page.of("looked", "compared"), **QUIET)
    c["chance"].select(act, None, None, **COMMAND)
    c["attack"].click(aim, page.of(*PICKERS), app.tabs, **LIGHT)
    c["page"].change(
        lambda key, n: gallery(app.catalog, key, int(n)), page.of("scenario", "page"), c["images"], **LIGHT
    )


def train_or_stop(app: App, event: Mapping[str, Any], request: gr.Request) -> None:
    """Do what the training part's buttons ask for; it then asks for the news itself."""
    with told():
        if event.get("do") == "train":
            defense = str(event.get("defense"))[:200]
            wanted = (str(event.get("scenario")), str(event.get("victim")), defense, bool(event.get("resume")))
            app.train(target_training(*wanted), request)
        elif event.get("do") == "stop":
            app.stop(app.store.training(str(event.get("run"))).id, request)
        else:
            raise UsageError("There is no such action.")
