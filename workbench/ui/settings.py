"""What the controls of Invert hold, as plain data: built from what attacks and scenarios declare, without Gradio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.attacks import ATTACKS, attacks_by_access
from workbench.core.errors import DataMissing
from workbench.core.knobs import configure, knobs_of, values_of
from workbench.core.records import Access, Recovers
from workbench.engine.compatibility import attack_problem
from workbench.engine.presets import first_prior
from workbench.ui.catalog import Catalog

GROUP = "access:"  # begins the value of a line of the attacks' menu that is a heading and no attack
PRESETS = {"demo": "Demo", "paper": "As in the paper", "long": "Long"}


def attack_choices(scenario: str, target: str) -> list[tuple[str, str]]:
    """Return (label, key) of the attacks on classes under a heading for each access; what cannot run here says so."""
    choices = []
    for access, infos in attacks_by_access(Recovers.CLASS).items():
        choices.append((heading(access), GROUP + access.value))
        for info in infos:
            problem = attack_problem(scenario, target, info.key, first_prior(scenario, info, target))
            choices.append((info.label + (" (not possible here)" if problem else ""), info.key))
    return choices


def heading(access: Access) -> str:
    return f"— {access.label} —"


def knob_presets(attack: str) -> list[tuple[str, str]]:
    """Return (title, key) of the knob values that an attack offers."""
    return [(PRESETS.get(name, name), name) for name in ATTACKS.entry(attack).info.presets]


def spec_of(method: type[Any]) -> list[dict[str, Any]]:
    """Return the knobs that an attack or a defense declares as plain data, for the page."""
    return [
        {
            "name": k.name,
            "kind": k.kind.__name__,
            "lo": k.lo,
            "hi": k.hi,
            "log": k.log and bool(k.lo),
            "choices": dict(k.choices) if k.choices else None,
            "live": k.live,
            "help": k.help,
            "unit": k.unit,
        }
        for k in knobs_of(method).values()
    ]


def knob_value(
    attack: str, values: Mapping[str, Any] | None = None, *, preset: str = "demo", stamp: int = 0
) -> dict[str, Any]:
    """Return the value of the knob panel: declarations, values, and a stamp that makes the page redraw."""
    entry = ATTACKS.entry(attack)
    chosen = values if values is not None else values_of(configure(entry.item, entry.info.presets.get(preset, {})))
    return {"attack": attack, "spec": spec_of(entry.item), "values": dict(chosen), "stamp": stamp}


def class_value(catalog: Catalog, scenario: str, picked: Sequence[int]) -> dict[str, Any]:
    """Return the value of the class picker; without the private images it shows numbers."""
    chosen = catalog.scenario(scenario)
    value: dict[str, Any] = {
        "scenario": scenario,
        "names": list(chosen.class_names),
        "picked": list(picked),
        "noun": chosen.class_noun,
        "columns": 1,
        "image": "",
    }
    try:
        _, grid = catalog.class_sheet(scenario)
    except DataMissing:
        return value
    return {**value, "columns": grid.columns, "image": f"/wb/scenarios/{scenario}/classes.webp"}
