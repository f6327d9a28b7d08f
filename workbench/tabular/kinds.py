"""Whether a configuration is about images or about tables, and what of it either kind looks up elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.attacks import ATTACKS, attack_label
from workbench.core.knobs import Knob, knobs_of
from workbench.scenarios import SCENARIOS
from workbench.tabular.attacks import INFERENCES
from workbench.tabular.scenarios import TABLES, is_table

NO_IMAGE = (1, 1, 1)  # the shape on record of a run that shows none


def declared_knobs(scenario: str, attack: str) -> Mapping[str, Knob]:
    """Return the knobs of an attack on a scenario; raises `UnknownName`."""
    return knobs_of(INFERENCES[attack] if is_table(scenario) else ATTACKS[attack])


def shape_of(scenario: str) -> tuple[int, int, int]:
    """Return the shape (C, H, W) of what a run on a scenario draws; raises `UnknownName`."""
    return NO_IMAGE if is_table(scenario) else SCENARIOS[scenario].input_shape


def label_of(attack: str) -> str:
    """Return what an attack of either kind is called; one that is registered no more by its key alone."""
    return INFERENCES.entry(attack).info.label if attack in INFERENCES else attack_label(attack)


def scenario_title(key: str) -> str:
    """Return what a scenario of either kind is called; one that is registered no more by its key alone."""
    if key in TABLES:
        return TABLES.entry(key).title
    return SCENARIOS.entry(key).title if key in SCENARIOS else key
