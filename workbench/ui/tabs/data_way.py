"""From pictures of one's own to an attack, below what was looked through: a target, a prior, the attack, a judge."""

from __future__ import annotations

import time
from dataclasses import replace
from html import escape
from typing import Any

import gradio as gr

from workbench.core.records import TrainingConfig
from workbench.core.weights import has_weights
from workbench.defenses.store import target_problem
from workbench.engine.compatibility import problems
from workbench.priors import PRIORS
from workbench.priors.base import prior_problem
from workbench.scenarios import SCENARIOS
from workbench.scenarios.own.store import OwnScenario
from workbench.targets import ARCHITECTURES
from workbench.targets.store import EVALUATOR
from workbench.trainings.start import resumable, trained_name
from workbench.ui.components.forms import part
from workbench.ui.routes.trainings import target_training
from workbench.ui.shell import COMMAND, LIGHT, QUIET, START, App, Request, session_of, told
from workbench.ui.tabs.invert_handlers import missing_training, opening_config
from workbench.ui.tabs.target import train_or_stop

Values = dict[str, Any]


def own_scenarios() -> list[tuple[str, str]]:
    """Return (title, key) of the scenarios of pictures that were brought, the newest first."""
    own = [entry.item for entry in SCENARIOS if issubclass(entry.item, OwnScenario)]
    return [
        (place.title, place.key) for place in sorted(own, key=lambda place: str(place.facts.get("made")), reverse=True)
    ]


def steps(scenario: str, arch: str) -> dict[str, Values]:
    """Return what each training part of the way is told, by its name."""
    prior = SCENARIOS[scenario].default_prior
    shared = {"stamp": time.time_ns(), "scenario": scenario, "defense": "none"}
    return {
        "target": {
            **shared,
            "prior": "",
            "target": arch,
            "title": f"1  Target: {ARCHITECTURES.entry(arch).title}",
            "trained": target_problem(scenario, arch) is None,
        },
        "prior": {
            **shared,
            "prior": prior,
            "target": "",
            "title": f"2  What the attacker imagines: {PRIORS.entry(prior).title}",
            "trained": prior_problem(scenario, prior) is None,
        },
        "judge": {
            **shared,
            "prior": "",
            "target": EVALUATOR,
            "title": "A judge: the evaluator that no attack sees",
            "trained": target_problem(scenario, EVALUATOR) is None,
        },
    }


def standing(scenario: str, arch: str) -> str:
    """Return what keeps the attack from starting, in a sentence; "" for nothing."""
    config = opening_config(scenario, target=arch)
    missing = missing_training(config)
    if missing is not None:
        return f"The attack waits for its {'prior' if missing.prior else 'target'}."
    return " ".join(problems(config))


class Way:
    """The controls of the way, made where they stand; `show` sets them to a scenario."""

    def __init__(self, app: App) -> None:
        self.app = app
        with gr.Column(visible=False, elem_id="data-way") as self.place:
            with gr.Row(elem_classes="wb-pickers"):
                self.scenario = gr.Dropdown([], label="From pictures to an attack", elem_id="way-scenario")
                self.arch = gr.Dropdown([], label="Target", filterable=False, elem_id="way-arch")
            with gr.Row(elem_classes="wb-pickers"):
                self.both = gr.Button("Train target and prior", variant="primary", elem_id="way-both")
                self.attack = gr.Button("Attack", variant="primary", elem_id="way-attack")
            self.said = gr.HTML(apply_default_css=False, elem_id="way-said")
            with gr.Row(equal_height=False):
                with gr.Column(min_width=300):
                    self.target = part("training", "way-target")
                with gr.Column(min_width=300):
                    self.prior = part("training", "way-prior")
            self.judge = part("training", "way-judge")
        self.parts = {"target": self.target, "prior": self.prior, "judge": self.judge}
        self.ready = [self.arch, self.both, self.attack, self.said]
        self.outputs = [self.place, self.scenario, *self.ready, *self.parts.values()]
        self._listen()

    def show(self, scenario: str | None, arch: str | None = None) -> dict[Any, Any]:
        """Return everything set to a scenario of one's own, the newest where this is none; hidden where there is none."""
        known = own_scenarios()
        keys = [key for _, key in known]
        if not keys:
            return {self.place: gr.update(visible=False)}
        key = scenario if scenario in keys else keys[0]
        targets = self.app.catalog.targets(key)
        chosen = arch if arch in [name for _, name in targets] else SCENARIOS[key].default_target
        return {
            self.place: gr.update(visible=True),
            **self.look(key, chosen),
            self.scenario: gr.update(choices=known, value=key),
            self.arch: gr.update(choices=targets, value=chosen),
            **{self.parts[name]: value for name, value in steps(key, chosen).items()},
        }

    def look(self, scenario: str | None, arch: str | None) -> dict[Any, Any]:
        """Return what can be done now."""
        if not scenario or not arch:
            return {self.attack: gr.update(interactive=False)}
        waits = standing(scenario, arch)
        return {
            self.arch: gr.update(choices=self.app.catalog.targets(scenario)),
            self.attack: gr.update(interactive=not waits),
            self.both: gr.update(visible=bool(untrained(self.app, scenario, arch))),
            self.said: f'<p class="wb-note" role="status">{escape(waits)}</p>' if waits else "",
        }

    def _listen(self) -> None:
        app, pickers = self.app, [self.scenario, self.arch]

        def act(event: gr.EventData, request: gr.Request) -> None:
            """Do what a part's buttons ask for."""
            asked = dict(event._data)
            if asked.get("do") == "train" and asked.get("prior"):
                with told():
                    app.train(prior_training(str(asked.get("scenario")), bool(asked.get("resume"))), request)
            else:
                train_or_stop(app, asked, request)

        def begin(scenario: str, arch: str, request: gr.Request) -> None:
            """Queue what is missing."""
            with told():
                train_missing(app, scenario, arch, request)

        def attack(scenario: str, arch: str, request: gr.Request) -> dict[Any, Any]:
            """Start the scenario's own attack and turn to where it is watched."""
            with told():
                run = app.submit(opening_config(scenario, target=arch), request)
                app.aimed[session_of(request)] = (scenario, arch, "none")
                return {app.run: run, app.tabs: gr.Tabs(selected="invert")}

        self.scenario.input(self.show, self.scenario, self.outputs, **QUIET)
        self.arch.input(self.show, pickers, self.outputs, **QUIET)
        gr.on([p.select for p in self.parts.values()], act, None, None, **COMMAND)
        gr.on([p.input for p in self.parts.values()], self.look, pickers, self.ready, **LIGHT)
        self.both.click(begin, pickers, None, **LIGHT).then(self.show, pickers, self.outputs, **QUIET)
        self.attack.click(attack, pickers, [app.run, app.tabs], **START)


def train_missing(app: App, scenario: str, arch: str, request: Request | None) -> list[str]:
    """Queue the trainings without which a scenario cannot be attacked, the target's first; returns their ids."""
    return [app.train(replace(config, resume=resumable(config)), request) for config in untrained(app, scenario, arch)]


def untrained(app: App, scenario: str, arch: str) -> list[TrainingConfig]:
    """Return the trainings that are missing, and neither wait nor go."""
    needed = (target_training(scenario, arch, "none"), prior_training(scenario))
    return [
        c for c in needed if app.scheduler.training_of(trained_name(c)) is None and not has_weights(trained_name(c))
    ]


def prior_training(scenario: str, resume: bool = False) -> TrainingConfig:
    """Return the training of a scenario's usual prior."""
    return TrainingConfig("prior", scenario, SCENARIOS[scenario].default_prior, resume=resume)
