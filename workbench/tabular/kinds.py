"""Whether a configuration is about images or about tables, and what of it either kind looks up elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from workbench.attacks import ATTACKS, attack_label
from workbench.core.errors import WorkbenchError
from workbench.core.knobs import Knob, knobs_of
from workbench.core.rounds import ModelOfRound
from workbench.defenses.plan import Plan
from workbench.scenarios import SCENARIOS
from workbench.tabular.attacks import INFERENCES
from workbench.tabular.fitting import watched_of
from workbench.tabular.inquiry import scenario_now
from workbench.tabular.models import MODELS
from workbench.tabular.protection import protection_of
from workbench.tabular.scenarios import TABLES, is_table
from workbench.targets import ARCHITECTURES

NO_IMAGE = (1, 1, 1)  # the shape on record of a run that shows none


def declared_knobs(scenario: str, attack: str) -> Mapping[str, Knob]:
    """Return the knobs of an attack on a scenario; raises `UnknownName`."""
    return knobs_of(INFERENCES[attack] if is_table(scenario) else ATTACKS[attack])


def any_knob(name: str) -> bool:
    """Return whether an attack of either kind has a knob of this name."""
    items = (*(entry.item for entry in ATTACKS), *(entry.item for entry in INFERENCES))
    return any(name in knobs_of(item) for item in items)


def ensure_attack(scenario: str, attack: str) -> None:
    """Raise `UnknownName` where there is no such attack on what the scenario is of."""
    _ = INFERENCES.entry(attack) if is_table(scenario) else ATTACKS.entry(attack)


def usual_attack(scenario: str) -> str:
    """Return what a scenario is attacked with where nothing is said; raises what looking it up does."""
    return scenario_now(scenario).default_attack if is_table(scenario) else SCENARIOS[scenario].default_attack


def prior_of(scenario: str, attack: str) -> str | None:
    """Return the prior that an attack was published with; None for one that searches none. Raises `UnknownName`."""
    return None if is_table(scenario) else ATTACKS.entry(attack).info.prior


def presets_of(scenario: str, attack: str) -> Collection[str]:
    """Return the presets of an attack; raises `UnknownName`."""
    return ("demo",) if is_table(scenario) else ATTACKS.entry(attack).info.presets.keys()


def asks_from_outside(scenario: str, attack: str) -> bool:
    """Return whether each query of an attack is a question to somebody else's target; raises `UnknownName`."""
    if is_table(scenario):
        access = INFERENCES.entry(attack).info.access
        return access is not None and not access.inside
    return not ATTACKS.entry(attack).info.access.inside


def ensure_scenario(key: str) -> None:
    """Raise `UnknownName`, or what is wrong with a table of one's own, where there is no such scenario of either kind."""
    _ = scenario_now(key) if is_table(key) else SCENARIOS.entry(key)


def ensure_defense(scenario: str, text: str) -> None:
    """Raise `UnknownName`, `UsageError` or `Incompatible` where a text names no defense of what the scenario is of."""
    _ = protection_of(text) if is_table(scenario) else Plan.of(text)


def ensure_classes(scenario: str, classes: str) -> None:
    """Raise `UsageError` where a text such as "0-7" names no classes, or records, of a scenario."""
    _ = watched_of(classes) if is_table(scenario) else SCENARIOS[scenario]().classes(classes)


def attack_title(key: str) -> str:
    """Return an attack's name in the literature; of one that is registered no more its key."""
    return INFERENCES.entry(key).title if key in INFERENCES else ATTACKS.entry(key).title if key in ATTACKS else key


def target_title(key: str) -> str:
    """Return what a target of either kind, or a model of a round, is called; of one registered no more its key."""
    if (snapshot := ModelOfRound.parse(key)) is not None:
        return f"{target_title(snapshot.arch)}, {snapshot.title}"
    if key in ARCHITECTURES:
        return ARCHITECTURES.entry(key).title
    return MODELS.entry(key).title if key in MODELS else key


def defense_title(text: str) -> str:
    """Return a defense of either kind in words; one that is registered no more, or of tables alone, as it is written."""
    try:
        return Plan.of(text).title
    except WorkbenchError:
        return text


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
