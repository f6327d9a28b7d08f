"""Split: a network cut in two, and what the server gets out of what it is sent, layer by layer."""

from __future__ import annotations

import time
from typing import Any

import gradio as gr

from workbench.analysis.split_layers import layered
from workbench.attacks import attacks_by_access
from workbench.core.errors import UsageError
from workbench.core.records import Access, Recovers
from workbench.defenses.plan import DEFENSES, Part, Plan
from workbench.engine.presets import default_config
from workbench.ui.shell import LIGHT, QUIET, START, App, drawn_by, tab, told

ASKED = {Access.WHITE_BOX: "white-box", Access.FEATURES: "black-box", Access.SERVER: "no queries"}
FIRST = ("digits", "inverse-network")  # scenario and attack that the tab opens with


def attack_choices() -> list[tuple[str, str]]:
    """Return (label, key) of the attacks on a network that is cut in two, by what they may ask."""
    groups = attacks_by_access(Recovers.PICTURE).items()
    return [(f"{info.title} · {ASKED[access]}", info.key) for access, infos in groups for info in infos]


def guard_choices() -> list[tuple[str, str]]:
    """Return (label, text) of no defense, and of every defense at a split at each of its levels."""
    found = [(DEFENSES.entry("none").title, "none")]
    for entry in DEFENSES:
        for level in entry.info.levels if entry.info.stage == "split" else ():
            plan = Plan(split=Part.parse(f"{entry.key}({entry.info.strength}={level:g})"))
            found.append((f"{entry.title}, {entry.info.strength} {level:g}", str(plan)))
    return found


def strip_of(*picked: str) -> dict[str, Any]:
    """Return what the strip is to show."""
    scenario, target, attack, defense = picked
    return {"scenario": scenario, "target": target, "attack": attack, "defense": defense, "stamp": time.time_ns()}


@tab("split", title="Split", order=2)
def build(app: App) -> None:
    scenario_key, attack_key = FIRST
    begin = default_config(scenario_key, attack_key)

    def menu(label: str, choices: list[tuple[str, str]], value: str, elem_id: str) -> gr.Dropdown:
        return gr.Dropdown(choices, value=value, label=label, filterable=False, elem_id=elem_id)

    with gr.Row(elem_classes="wb-pickers"):
        scenario = menu("Scenario", app.catalog.scenarios(), scenario_key, "split-scenario")
        target = menu("Target", app.catalog.targets(scenario_key), begin.target, "split-target")
        attack = menu("Attack", attack_choices(), attack_key, "split-attack")
        defense = menu("Defense at the split", guard_choices(), "none", "split-defense")
    strip = gr.HTML(
        value={},
        html_template='<div class="wb-split" data-testid="split"></div>',
        js_on_load=drawn_by("split/split", "split"),
        apply_default_css=False,
        elem_id="split-strip",
    )
    pickers = [scenario, target, attack, defense]

    def choose(place: str, aimed: str, method: str, guard: str) -> dict[Any, Any]:
        """Show another scenario or attack on the target that the attack is tried on first."""
        with told():
            usual = default_config(place, method, classes=[0]).target
        choices = app.catalog.targets(place)
        return {target: gr.Dropdown(choices, value=usual), strip: strip_of(place, usual, method, guard)}

    def start(place: str, aimed: str, method: str, guard: str, event: gr.EventData, request: gr.Request) -> None:
        """Queue a run of each layer that the strip asks for; it then looks for them itself."""
        with told():
            wanted = dict(event._data).get("layers")
            if not isinstance(wanted, list):
                raise UsageError("There is no such action.")
            for cut, config in layered(place, method, aimed, guard):
                if cut.name in wanted:
                    app.submit(config, request)

    app.when_opened("split", strip_of, pickers, strip, **LIGHT)
    gr.on([scenario.input, attack.input], choose, pickers, [target, strip], **QUIET)
    gr.on([target.input, defense.input], strip_of, pickers, strip, **LIGHT)
    strip.select(start, pickers, None, **START)
