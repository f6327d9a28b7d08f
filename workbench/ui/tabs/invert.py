"""Invert: choose an attack, run it, and watch it find private images."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from html import escape
from typing import Any

import gradio as gr

from workbench.attacks import ATTACKS
from workbench.core.errors import UsageError, WorkbenchError
from workbench.core.records import Fork, RunConfig
from workbench.defenses import DEFENSES
from workbench.engine.compatibility import attack_problem, notes, problems
from workbench.engine.presets import PRESETS, default_config
from workbench.priors import PRIORS
from workbench.scenarios import SCENARIOS
from workbench.ui.components.forms import class_value, command_line, custom, knob_value
from workbench.ui.shell import COMMAND, LIGHT, START, App, tab, told

DICE = 2**31


def usual_attack(scenario: str) -> str:
    """Return the attack that a scenario is opened with."""
    return SCENARIOS[scenario].default_attack


def attack_choices(scenario: str, target: str) -> list[tuple[str, str]]:
    """Return (title, key) of every attack; what cannot run here says so."""
    return [
        (e.title + (" (not possible here)" if attack_problem(scenario, target, e.key) else ""), e.key) for e in ATTACKS
    ]


def described(attack: str) -> str:
    """Return what an attack is, as HTML."""
    info = ATTACKS.entry(attack).info
    needs = f"Needs: {info.access.label.lower()} access" + (f", a {info.prior} prior" if info.prior else ", no prior")
    return f'<p class="wb-about">{escape(info.summary)}<br><span>{escape(needs)} · {escape(info.paper)}</span></p>'


def preset_cards() -> dict[str, Any]:
    return {
        "cards": [
            {
                "key": p.key,
                "title": p.title,
                "text": p.text,
                "problem": next(iter(problems(p.config)), ""),
                "note": ATTACKS.entry(p.config.attack).title.split(" (")[0]
                + " · "
                + SCENARIOS.entry(p.config.scenario).title.split(" (")[0],
            }
            for p in PRESETS
        ]
    }


class Panel:
    """The settings on the left, and how they become a configuration and back."""

    def __init__(self, app: App) -> None:
        self.app = app
        first = PRESETS[0].config
        catalog = app.catalog
        with gr.Column(elem_id="panel", min_width=300):
            with gr.Row(elem_id="run-row"):
                self.go = gr.Button("Run", variant="primary", elem_id="run-button")
            self.scenario = gr.Dropdown(catalog.scenarios(), value=first.scenario, label="Scenario", filterable=False)
            with gr.Row(elem_classes="wb-tight"):
                self.target = gr.Dropdown(
                    catalog.targets(first.scenario) + catalog.foreign(),
                    value=first.target,
                    label="Target",
                    filterable=False,
                    min_width=120,
                )
                self.defense = gr.Dropdown(
                    catalog.defenses(first.scenario, first.target),
                    value=first.defense,
                    label="Defense",
                    filterable=False,
                    min_width=120,
                    visible=len(DEFENSES.keys()) > 1,
                )
            self.attack = gr.Dropdown(
                attack_choices(first.scenario, first.target), value=first.attack, label="Attack", filterable=False
            )
            self.about = gr.HTML(described(first.attack), apply_default_css=False)
            self.problem = gr.HTML("", apply_default_css=False, elem_id="problem")
            self.prior = gr.Dropdown(
                [(e.title, e.key) for e in PRIORS],
                value=first.prior,
                label="Prior",
                filterable=False,
                visible=first.prior is not None and len(PRIORS.keys()) > 1,
            )
            self.classes = custom(
                "classes", class_value(catalog, first.scenario, first.classes), label="Classes", elem_id="classes"
            )
            self.preset = gr.Radio(self._presets(first.attack), value="demo", label="Knob values", elem_id="preset")
            self.knobs = custom("knobs", knob_value(first.attack, first.knobs), label="Knobs", elem_id="knobs")
            with gr.Row(elem_classes="wb-tight"):
                self.restarts = gr.Number(
                    first.restarts, label="Tries per class", precision=0, minimum=1, maximum=64, min_width=90
                )
                self.seed = gr.Number(first.seed, label="Seed", precision=0, minimum=0, maximum=DICE - 1, min_width=90)
                self.dice = gr.Button("New seed", size="sm", min_width=70, elem_id="dice")
            self.budget = gr.Number(0, label="Query limit (0: none)", precision=0, minimum=0)
            self.command = gr.Textbox(
                command_line(first),
                label="The same on the command line",
                lines=3,
                max_lines=8,
                interactive=False,
                buttons=["copy"],
                elem_id="command",
            )

    @staticmethod
    def _presets(attack: str) -> list[tuple[str, str]]:
        titles = {"demo": "Demo", "paper": "As in the paper"}
        return [(titles.get(p, p), p) for p in ATTACKS.entry(attack).info.presets]

    @property
    def inputs(self) -> set[Any]:
        return {
            self.scenario,
            self.target,
            self.defense,
            self.attack,
            self.prior,
            self.classes,
            self.knobs,
            self.restarts,
            self.seed,
            self.budget,
        }

    @property
    def outputs(self) -> list[Any]:
        return [*self.inputs, self.about, self.problem, self.preset, self.command]

    def config(self, given: dict[Any, Any]) -> RunConfig:
        """Return the configuration that the controls say; raises the workbench's own errors."""
        attack, knobs = given[self.attack], given[self.knobs] or {}
        whole = {self.restarts: "number of tries", self.seed: "seed"}
        for control, name in whole.items():
            if given[control] is None:
                raise UsageError(f"Give a {name}; the field is empty.")
        picked = tuple(int(c) for c in (given[self.classes] or {}).get("picked", []))
        if not picked:
            raise UsageError("No class is chosen. Click at least one of the pictures under 'Classes'.")
        prior = ATTACKS.entry(attack).info.prior and given[self.prior]
        return default_config(
            given[self.scenario],
            attack,
            knobs=knobs.get("values") if knobs.get("attack") == attack else None,
            target=given[self.target],
            defense=given[self.defense] or "none",
            classes=list(picked),
            restarts=int(given[self.restarts]),
            seed=int(given[self.seed]),
            budget=int(given[self.budget] or 0) or None,
            **({"prior": prior} if prior else {}),
        )

    def show(self, config: RunConfig) -> dict[Any, Any]:
        """Return updates that put a configuration into the controls."""
        first_of = ATTACKS.entry(config.attack).info
        return {
            self.scenario: config.scenario,
            self.target: gr.Dropdown(
                self.app.catalog.targets(config.scenario, config.defense) + self.app.catalog.foreign(),
                value=config.target,
            ),
            self.defense: gr.Dropdown(
                self.app.catalog.defenses(config.scenario, config.target, config.defense), value=config.defense
            ),
            self.attack: gr.Dropdown(attack_choices(config.scenario, config.target), value=config.attack),
            self.prior: gr.Dropdown(
                value=config.prior or first_of.prior, visible=first_of.prior is not None and len(PRIORS.keys()) > 1
            ),
            self.classes: class_value(self.app.catalog, config.scenario, config.classes),
            self.knobs: knob_value(config.attack, config.knobs, stamp=time.time_ns()),
            self.preset: gr.Radio(self._presets(config.attack), value=self._preset_of(config)),
            self.restarts: config.restarts,
            self.seed: config.seed,
            self.budget: config.budget or 0,
            self.about: described(config.attack),
            **self.said(config),
        }

    @staticmethod
    def _preset_of(config: RunConfig) -> str | None:
        entry = ATTACKS.entry(config.attack)
        for name in entry.info.presets:
            if default_config(config.scenario, config.attack, preset=name).knobs == dict(config.knobs):
                return name
        return None

    def said(self, config: RunConfig) -> dict[Any, Any]:
        """Return what stands beside a configuration: why it cannot run, and its command line."""
        wrong = "".join(f"<p>{escape(p)}</p>" for p in problems(config))
        known = "".join(f"<p>{escape(p)}</p>" for p in notes(config))
        return {
            self.problem: f'<div class="wb-problem" role="alert">{wrong}</div>'
            if wrong
            else f'<div class="wb-remark" role="status">{known}</div>'
            if known
            else "",
            self.command: command_line(config),
        }


@tab("invert", title="Invert", order=2)
def build(app: App) -> None:
    cards = custom("cards", preset_cards(), label="Start", elem_id="cards")
    with gr.Row(elem_id="invert", equal_height=False):
        panel = Panel(app)
        with gr.Column(elem_id="stage", scale=3, min_width=480):
            app.view.render()
    app.panel = panel
    listen(app, panel, cards)


def listen(app: App, panel: Panel, cards: gr.HTML) -> None:
    """Connect the controls."""
    opened = [app.run, *panel.outputs]

    def start(given: dict[Any, Any], request: gr.Request) -> dict[Any, Any]:
        with told():
            config = panel.config(given)
            return {app.run: app.submit(config, request), **panel.said(config)}

    def start_card(event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        with told():
            config = next((p.config for p in PRESETS if p.key == event.key), None)
            if config is None:
                raise UsageError("There is no such card.")
            return {app.run: app.submit(config, request), **panel.show(config)}

    started = panel.go.click(start, panel.inputs, [app.run, panel.problem, panel.command], **START)
    cards.select(start_card, None, opened, **START)

    def recalled(run: str) -> dict[Any, Any]:
        """Return updates that put an opened run's settings into the controls."""
        try:
            return panel.show(app.store.folder(run).config())
        except WorkbenchError:
            return {app.run: gr.skip()}

    def ask(event: gr.EventData) -> dict[Any, Any]:
        """Do what the live view asks for."""
        if event.do == "opened":
            return recalled(event.run)
        with told():
            if event.do in ("pause", "resume", "step", "stop"):
                getattr(app.scheduler, event.do)(event.run)
        return {app.run: gr.skip()}

    def fork(event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        with told():
            config = replace(app.store.folder(event.run).config(), fork=Fork(event.run, int(event.frame)))
            return {app.run: app.submit(config, request), **panel.show(config)}

    app.view.select(ask, None, opened, **COMMAND)
    app.view.submit(fork, None, opened, **START)

    def turn(event: gr.EventData) -> None:
        with told():
            for name, value in dict(event.values).items():
                app.scheduler.set_knob(event.run, name, value)

    panel.knobs.input(turn, None, None, **COMMAND)

    def without(shown: dict[Any, Any], *left: Any) -> dict[Any, Any]:
        """Leave out what was picked itself: it may have been picked anew before this answer arrives."""
        return {control: value for control, value in shown.items() if control not in left}

    def place(scenario: str) -> dict[Any, Any]:
        with told():
            attack = usual_attack(scenario)
            first = SCENARIOS.entry(scenario).item
            picked = list(range(min(8, len(first.class_names))))
            return without(panel.show(default_config(scenario, attack, classes=picked)), panel.scenario)

    panel.scenario.input(place, panel.scenario, panel.outputs, **LIGHT)

    def method(given: dict[Any, Any]) -> dict[Any, Any]:
        with told():
            attack = given[panel.attack]
            config = default_config(
                given[panel.scenario],
                attack,
                target=given[panel.target],
                defense=given[panel.defense] or "none",
                classes=(given[panel.classes] or {}).get("picked") or [0],
            )
            shown = panel.show(
                replace(config, seed=int(given[panel.seed] or 0), restarts=int(given[panel.restarts] or 1))
            )
            return without(shown, panel.classes, panel.attack)

    panel.attack.input(method, panel.inputs, panel.outputs, **LIGHT)

    def preset(name: str, attack: str) -> dict[str, Any]:
        return knob_value(attack, preset=name, stamp=time.time_ns())

    chosen = panel.preset.input(preset, [panel.preset, panel.attack], panel.knobs, **LIGHT)
    rolled = panel.dice.click(lambda: random.SystemRandom().randrange(DICE), None, panel.seed, **LIGHT)

    def check(given: dict[Any, Any]) -> dict[Any, Any]:
        try:
            return panel.said(panel.config(given))
        except WorkbenchError as error:
            return {
                panel.problem: f'<div class="wb-problem" role="alert"><p>{escape(str(error))}</p></div>',
                panel.command: "",
            }

    # Only what a person does: controls that an answer sets come with their own words, and may not all be set yet.
    said = [panel.problem, panel.command]
    done = [
        panel.target.input,
        panel.defense.input,
        panel.prior.input,
        panel.classes.submit,
        panel.knobs.submit,
        panel.restarts.input,
        panel.seed.input,
        panel.budget.input,
    ]
    gr.on(done, check, panel.inputs, said, **LIGHT)
    for changed in (chosen, rolled):
        changed.then(check, panel.inputs, said, **LIGHT)
    started.failure(check, panel.inputs, said, **LIGHT)  # the message goes, the reason stays

    def aimed(given: dict[Any, Any], request: gr.Request) -> dict[Any, Any]:
        """Put the target that Target has asked for into the controls, and leave the attack as it is."""
        wanted = app.aimed.pop(request.session_hash or "", None)
        if wanted is None:
            return {panel.problem: gr.skip()}
        scenario, target, defense = wanted
        attack = given[panel.attack] if scenario == given[panel.scenario] else usual_attack(scenario)
        return panel.show(
            default_config(
                scenario,
                attack,
                target=target,
                defense=defense,
                classes=list(range(min(8, len(SCENARIOS.entry(scenario).item.class_names)))),
            )
        )

    app.pages["invert"].select(aimed, panel.inputs, panel.outputs, **LIGHT)
