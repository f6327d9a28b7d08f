"""A grid over any axes: what is varied against what, and a cell for each combination."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from workbench.core.errors import UsageError, WorkbenchError
from workbench.core.records import RunConfig
from workbench.defenses.plan import Plan
from workbench.engine.presets import default_config
from workbench.grids.base import Cell
from workbench.priors import PRIORS
from workbench.tabular.kinds import (
    any_knob,
    attack_title,
    ensure_attack,
    ensure_classes,
    ensure_defense,
    ensure_scenario,
    presets_of,
    prior_of,
    target_title,
    usual_attack,
)

NUMBERS = ("seed", "restarts", "budget", "asks")
FIELDS = ("attack", "defense", "target", "prior", *NUMBERS)
MOST_CELLS = 600
BETWEEN = re.compile(r",(?![^()]*\))")  # commas outside brackets: defenses have their own inside


@dataclass(frozen=True)
class Axis:
    """What is varied: attack, defense, target, prior, seed, restarts, budget, asks, or a knob of the attacks.

    Attributes:
        values: as texts, in the order in which they are shown.
    """

    name: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Axis:
        """Return the axis that reads ``name=value,value``.

        >>> Axis.parse("defense=none,bido(strength=2)").values
        ('none', 'bido(strength=2)')

        Raises:
            UsageError: it has no name, no value, one value twice, or names what cannot be varied.
        """
        name, sign, rest = text.partition("=")
        values = tuple(value.strip() for value in BETWEEN.split(rest) if value.strip())
        axis = cls(name.strip(), values)
        if not sign or not axis.name or not values:
            raise UsageError(f"--axis {text[:60]}: write it as name=value,value, such as attack=gmi,ppa.")
        if len(set(values)) < len(values):
            raise UsageError(f"The axis {axis.name} has a value twice.")
        if axis.name not in FIELDS and not any_knob(axis.name):
            raise UsageError(
                f"'{axis.name[:40]}' cannot be varied. Vary {', '.join(FIELDS)}, or a knob of an attack, such as lr."
            )
        for value in values if axis.name in NUMBERS else ():
            if not value.isascii() or not value.isdigit():
                raise UsageError(f"{axis.name}={value[:40]} is not a whole number.")
        return axis

    def title(self, value: str) -> str:
        """Return what a reader calls a value of this axis."""
        if self.name == "attack":
            return attack_title(value)
        if self.name == "defense":
            return _defense_title(value)
        if self.name == "target":
            return target_title(value)
        if self.name == "prior":
            return PRIORS.entry(value).title if value in PRIORS else value
        return f"{self.name.replace('_', ' ')} {value}"


def _defense_title(text: str) -> str:
    try:
        title = Plan.of(text).title
    except WorkbenchError:
        return text
    return f"{title} {text[text.index('(') :]}" if "(" in text else title


@dataclass(frozen=True)
class GridPlan:
    """Everything that a grid of one's own is: enough to make its cells again.

    The first axis that is no seed goes down, the second across; further ones make a table each. Seeds are averaged.

    Attributes:
        attack: what attacks where no axis says.
        classes: as a person writes them, ``"0-7"``; "" for all.
        preset: which knob values attacks start from.
    """

    scenario: str
    axes: tuple[Axis, ...]
    attack: str = ""
    classes: str = ""
    preset: str = "demo"

    def __post_init__(self) -> None:
        ensure_scenario(self.scenario)
        names = [axis.name for axis in self.axes]
        if not names:
            raise UsageError("A grid needs at least one axis, such as --axis attack=gmi,ppa.")
        if twice := [name for name in names if names.count(name) > 1]:
            raise UsageError(f"The axis {twice[0]} is given twice. Put its values into one.")
        count = 1
        for axis in self.axes:
            count *= len(axis.values)
        if count > MOST_CELLS:
            raise UsageError(f"These axes make {count:,} cells; at most {MOST_CELLS} are run as one grid.")

    @property
    def title(self) -> str:
        """What the grid is called, from its axes."""
        varied = " × ".join(f"{len(axis.values)} {axis.name}{'s' * (len(axis.values) > 1)}" for axis in self.axes)
        return f"{varied} on {self.scenario}"

    @property
    def rows(self) -> str:
        """What a row is, as a noun."""
        return next((axis.name for axis in self.axes if axis.name != "seed"), "seed")

    def to_json(self) -> dict[str, Any]:
        axes = [[axis.name, list(axis.values)] for axis in self.axes]
        rest = {"attack": self.attack, "classes": self.classes, "preset": self.preset}
        return {"scenario": self.scenario, "axes": axes, **rest}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> GridPlan:
        """Return the plan again; raises `UsageError` for what no plan is."""
        try:
            axes = tuple(Axis.parse(f"{name}={','.join(map(str, values))}") for name, values in data["axes"])
            rest = {name: str(data.get(name) or usual) for name, usual in (("attack", ""), ("classes", ""))}
            return cls(str(data["scenario"]), axes, **rest, preset=str(data.get("preset") or "demo"))
        except (AttributeError, KeyError, TypeError, ValueError):
            raise UsageError("This is no plan of a grid.") from None

    def cells(self) -> list[Cell]:
        """Return a cell for each combination; one whose parts do not fit together has a `problem`."""
        shown = [a for a in self.axes if a.name != "seed"]
        down, across = (shown[i] if i < len(shown) else None for i in (0, 1))
        beside = shown[2:]
        found = []
        for chosen in itertools.product(*(axis.values for axis in self.axes)):
            value = dict(zip((axis.name for axis in self.axes), chosen, strict=True))
            config, problem = self._config(value)
            found.append(
                Cell(
                    down.title(value[down.name]) if down else "all",
                    across.title(value[across.name]) if across else self.scenario,
                    config,
                    group=", ".join(axis.title(value[axis.name]) for axis in beside),
                    x=_number(value[across.name]) if across else None,
                    seed=int(value["seed"]) if "seed" in value else None,
                    problem=problem,
                )
            )
        return found

    def _config(self, value: Mapping[str, str]) -> tuple[RunConfig, str]:
        """Return a combination's configuration, and why it is none: then one without what does not fit."""
        attack = value.get("attack") or self.attack or usual_attack(self.scenario)
        fields: dict[str, Any] = {name: value[name] for name in ("defense", "target", "prior") if name in value}
        fields |= {name: int(value[name]) for name in NUMBERS if name in value}
        knobs = {name: text for name, text in value.items() if name not in FIELDS}
        if self.classes:
            fields["classes"] = self.classes
        if "prior" in fields and prior_of(self.scenario, attack) is None:
            del fields["prior"]
            held = default_config(self.scenario, attack, preset=self._preset(attack), **fields)
            return held, f"{attack_title(attack)} searches no prior, so there is nothing to vary."
        try:
            return default_config(self.scenario, attack, preset=self._preset(attack), knobs=knobs, **fields), ""
        except WorkbenchError as error:
            fields = {name: v for name, v in fields.items() if name in ("seed", "classes")}
            held = default_config(self.scenario, attack, **fields)
            return replace(held, knobs={**held.knobs, **knobs}), str(error)

    def _preset(self, attack: str) -> str:
        return self.preset if self.preset in presets_of(self.scenario, attack) else "demo"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def plan_of(
    scenario: str, axes: Sequence[str], *, attack: str = "", classes: str = "", preset: str = "demo"
) -> GridPlan:
    """Return the plan that a person's words say; raises `UsageError` or `UnknownName`."""
    if attack:
        ensure_attack(scenario, attack)
    parsed = tuple(Axis.parse(text) for text in axes)
    plan = GridPlan(scenario, parsed, attack, classes, preset)
    for axis in parsed:
        for value in axis.values:
            if axis.name == "attack":
                ensure_attack(scenario, value)
            elif axis.name == "defense":
                ensure_defense(scenario, value)
    if classes:
        ensure_classes(scenario, classes)
    return plan
