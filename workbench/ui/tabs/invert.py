"""Invert: choose an attack, run it, and watch it find private images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import gradio as gr

from workbench.core.errors import UsageError
from workbench.engine.presets import PRESETS
from workbench.ui.components import lesson
from workbench.ui.components.forms import custom
from workbench.ui.first_look import first_look
from workbench.ui.settings import knob_presets
from workbench.ui.shell import COMMAND, LIGHT, QUIET, START, App, drawn_by, literal, session_of, tab, told
from workbench.ui.tabs import invert_handlers as handlers
from workbench.ui.tabs.invert_handlers import InvertHandlers, Settings, Updates

REMEMBERED = "wb-invert"  # the settings used last, in the browser's own storage


class SettingsPanel:
    """The settings on the left: the controls by name, and how answers are put into them."""

    def __init__(self, app: App) -> None:
        first = handlers.show(app.catalog, PRESETS[0].config)
        self.controls: dict[str, Any] = {"run": app.run, "tabs": app.tabs}

        def put(name: str, control: Any) -> None:
            self.controls[name] = control

        def menu(name: str, label: str, **more: Any) -> None:
            put(name, gr.Dropdown(label=label, filterable=False, min_width=120, **first[name], **more))

        with gr.Column(elem_id="panel", min_width=300):
            with gr.Column(elem_id="run-row"):  # stays in sight while the settings scroll by, and so does the reason
                put("run_button", gr.Button("Run", variant="primary", elem_id="run-button", **first["run_button"]))
                put("problem", gr.HTML(apply_default_css=False, elem_id="problem", **first["problem"]))
                put("remedy", gr.Button(size="sm", elem_id="remedy", **first["remedy"]))
            put("queue", custom("queue", {}, label="Queue", elem_id="queue"))
            menu("scenario", "Scenario", choices=app.catalog.scenarios())
            with gr.Row(elem_classes="wb-tight"):
                menu("target", "Target")
                menu("defense", "Defense")
            put("looked", gr.HTML("", apply_default_css=False, elem_id="first-look"))
            menu("attack", "Attack", elem_id="attack")
            put("about", gr.HTML(apply_default_css=False, **first["about"]))
            menu("prior", "Prior")
            put("classes", custom("classes", first["classes"]["value"], label="Classes", elem_id="classes"))
            put(
                "preset",
                gr.Radio(
                    knob_presets(PRESETS[0].config.attack),
                    value=first["preset"]["value"],
                    label="Knob values",
                    elem_id="preset",
                ),
            )
            put("knobs", custom("knobs", first["knobs"]["value"], label="Knobs", elem_id="knobs"))
            with gr.Row(elem_classes="wb-tight"):
                put("restarts", gr.Number(label="Tries per class", min_width=90, **first["restarts"]))
                put("seed", gr.Number(label="Seed", min_width=90, **first["seed"]))
                put("dice", gr.Button("New seed", size="sm", min_width=70, elem_id="dice"))
            with gr.Row(elem_classes="wb-tight"):
                put("budget", gr.Number(label="Query limit (0: none)", min_width=90, **first["budget"]))
                put("asks", gr.Number(label="Asks per question", min_width=90, **first["asks"]))
            put("restore", custom("restore", {}, label="Settings from a file", elem_id="restore"))
            put("defaults", gr.Button("Defaults", size="sm", elem_id="defaults"))
            put(
                "command",
                gr.Textbox(
                    label="The same on the command line",
                    lines=3,
                    max_lines=8,
                    interactive=False,
                    buttons=["copy"],
                    elem_id="command",
                    **first["command"],
                ),
            )
            put("kept", gr.BrowserState(None, storage_key=REMEMBERED, secret=REMEMBERED))

    INPUTS = (
        "scenario",
        "target",
        "attack",
        "defense",
        "prior",
        "classes",
        "knobs",
        "restarts",
        "seed",
        "budget",
        "asks",
    )
    BESIDE = ("problem", "run_button", "remedy", "command", "kept")  # what stands beside the settings
    SHOWN = (*INPUTS, "about", "preset", *BESIDE)

    def of(self, *names: str) -> list[Any]:
        """Return the controls of these names."""
        return [self.controls[name] for name in names]

    @property
    def inputs(self) -> set[Any]:
        return set(self.of(*self.INPUTS))

    def settings(self, given: Mapping[Any, Any]) -> Settings:
        """Return what the page sent, by name."""
        said = {name: given[self.controls[name]] for name in self.INPUTS}
        return Settings(**{**said, "classes": said["classes"] or {}, "knobs": said["knobs"] or {}})

    def put(self, updates: Updates) -> dict[Any, Any]:
        """Return an answer as Gradio wants it; an empty one changes nothing."""
        answer = {self.controls[name]: gr.update(**update) for name, update in updates.items()}
        return answer or {self.controls["run"]: gr.skip()}

    # Each of these returns a listener for a handler; Gradio tells from its annotations what it is to be given.
    def on_settings(self, handler: Callable[[Settings], Updates]) -> Callable[..., Any]:
        def listener(given: dict[Any, Any]) -> dict[Any, Any]:
            with told():
                return self.put(handler(self.settings(given)))

        return named(listener, handler)

    def on_order(self, handler: Callable[[Settings, gr.Request], Updates]) -> Callable[..., Any]:
        def listener(given: dict[Any, Any], request: gr.Request) -> dict[Any, Any]:
            with told():
                return self.put(handler(self.settings(given), request))

        return named(listener, handler)

    def on_event(self, handler: Callable[[Mapping[str, Any], gr.Request], Updates]) -> Callable[..., Any]:
        def listener(event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
            with told():
                return self.put(handler(dict(event._data), request))

        return named(listener, handler)


def named(listener: Callable[..., Any], handler: Callable[..., Any]) -> Callable[..., Any]:
    """Call a listener after its handler, which it also carries; its own parameters are what Gradio reads."""
    listener.__name__ = handler.__name__
    listener.handler = handler  # type: ignore[attr-defined]
    return listener


def preset_card(card: Mapping[str, str]) -> str:
    """Return a card as HTML; it can be pressed once `assets/forms/cards.js` is there."""
    said = {name: escape(value) for name, value in card.items()}
    return (
        f'<button type="button" class="wb-preset" data-key="{said["key"]}" data-problem="{said["problem"]}" data-lesson="{said["lesson"]}" data-example="{said["example"]}" '
        f'data-testid="preset-{said["key"]}" title="{said["text"]}" disabled><strong>{said["title"]}</strong>'
        f"<span>{said['problem'] or said['text']}</span><em>{said['note']}</em></button>"
    )


def preset_cards() -> gr.HTML:
    """Return the cards that each start a run; drawn here, so that nothing moves when the page's scripts come."""
    cards = "".join(map(preset_card, handlers.preset_cards()["cards"]))
    return gr.HTML(
        html_template=f'<div class="wb-cards">{literal(cards)}</div>',
        js_on_load=drawn_by("forms/cards", "cards"),
        apply_default_css=False,
        label="Start",
        elem_id="cards",
    )


@tab("invert", title="Invert", order=2)
def build(app: App) -> None:
    with gr.Row(elem_id="invert", equal_height=False):
        lesson.component()
        panel = SettingsPanel(app)
        with gr.Column(elem_id="stage", scale=3, min_width=480):
            cards = preset_cards()
            app.view.render()
    listen(app, panel, cards)
    turn_here(app, panel)


def listen(app: App, panel: SettingsPanel, cards: gr.HTML) -> None:
    """Connect what a person does in Invert with what is done about it."""
    do, c = InvertHandlers(app.catalog, app.store, app), panel.controls
    shown, beside, opened = panel.of(*panel.SHOWN), panel.of(*panel.BESIDE), panel.of("run", *panel.SHOWN)
    check = panel.on_settings(handlers.check)
    started = c["run_button"].click(panel.on_order(do.start), panel.inputs, panel.of("run", *panel.BESIDE), **START)
    started.failure(check, panel.inputs, beside, **LIGHT)  # the message goes, the reason stays
    cards.select(panel.on_event(do.start_card), None, opened, **START)
    app.view.select(panel.on_event(lambda event, _: do.recall(str(event.get("run")))), None, opened, **COMMAND)
    app.view.submit(panel.on_event(do.fork), None, opened, **START)
    c["queue"].submit(panel.on_order(do.start_instead), panel.inputs, panel.of("run", *panel.BESIDE), **START)
    c["queue"].select(panel.on_order(do.clear_queue), panel.inputs, c["run"], **COMMAND)
    c["scenario"].input(panel.on_settings(do.choose_scenario), panel.inputs, shown, **LIGHT)
    c["attack"].input(panel.on_settings(do.choose_attack), panel.inputs, shown, **LIGHT)
    c["defaults"].click(panel.on_settings(do.reset), panel.inputs, shown, **LIGHT)
    c["restore"].select(panel.on_event(lambda event, request: do.restore(event)), None, shown, **COMMAND)
    c["dice"].click(panel.on_settings(handlers.roll), panel.inputs, panel.of("seed", *panel.BESIDE), **LIGHT)

    def preset(given: dict[Any, Any]) -> dict[Any, Any]:
        return panel.put(handlers.choose_preset(panel.settings(given), given[c["preset"]]))

    c["preset"].input(preset, {*panel.inputs, c["preset"]}, panel.of("knobs", *panel.BESIDE), **LIGHT)
    # Only what a person does: controls that an answer sets come with their own words, and may not all be set yet.
    done = [c[name].input for name in ("target", "defense", "prior", "restarts", "seed", "budget", "asks")]
    gr.on([*done, c["classes"].submit, c["knobs"].submit], check, panel.inputs, beside, **LIGHT)


def turn_here(app: App, panel: SettingsPanel) -> None:
    """Connect Invert with the other tabs: the target that Target hands over, and the trainings that are missing here."""
    do = InvertHandlers(app.catalog, app.store, app)

    def aimed(given: dict[Any, Any], request: gr.Request) -> dict[Any, Any]:
        """Put the target that Target has asked for into the controls."""
        wanted = app.aimed.pop(session_of(request), None)
        settings = panel.settings(given)
        return panel.put(do.aim(settings, *wanted) if wanted else handlers.check(settings))

    turned = app.pages["invert"].select(aimed, panel.inputs, panel.of(*panel.SHOWN), **LIGHT)
    # What was brought is asked about its own people before anybody attacks it.
    place = panel.of("scenario", "target")

    def looked(scenario: str, target: str) -> str:
        return first_look(scenario, target, warned=True)  # beside Run

    turned.then(looked, place, panel.controls["looked"], **QUIET)
    panel.controls["target"].input(looked, place, panel.controls["looked"], **QUIET)
    panel.controls["scenario"].input(lambda: "", None, panel.controls["looked"], **LIGHT)

    def learn(given: dict[Any, Any], request: gr.Request) -> gr.Tabs:
        """Turn to the tab where what is missing can be trained."""
        with told():
            training = handlers.missing_training(panel.settings(given).config())
            if training is None:
                raise UsageError("Nothing is missing any more: press Run.")
            app.wanted[session_of(request)] = training
            return gr.Tabs(selected=training.what)

    panel.controls["remedy"].click(learn, panel.inputs, app.tabs, **LIGHT)

    def remembered(kept: Any, request: gr.Request) -> dict[Any, Any]:
        """Put the settings used last into the controls, unless a link says which run to open."""
        linked = request.query_params.get("run", "")
        return panel.put({} if linked and app.has_run(linked) else do.remember(kept))

    app.keep_current("invert", panel.controls["scenario"])
    app.when_loaded(remembered, panel.controls["kept"], panel.of("run", *panel.SHOWN))
