"""Whether an attribute inference can run, and what is usual where nothing is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from workbench.core.errors import UnknownName, UsageError, WorkbenchError
from workbench.core.knobs import configure, values_of
from workbench.core.records import RunConfig, seed_problem
from workbench.scenarios.base import class_ranges
from workbench.tabular.attacks import INFERENCES, InferenceInfo
from workbench.tabular.inquiry import chosen_columns, scenario_now
from workbench.tabular.models import MODELS
from workbench.tabular.protection import protection_of
from workbench.tabular.scenarios.base import TableScenario
from workbench.tabular.training import protection_problem

T = TypeVar("T")

MOST_WATCHED = 64


def table_problems(config: RunConfig) -> list[str]:
    """Return every reason why an attribute inference cannot run, a sentence each; [] if it can."""
    found: list[str] = []

    def check(what: Callable[[], T]) -> T | None:
        try:
            return what()
        except WorkbenchError as error:
            found.append(str(error))
            return None

    scenario = check(lambda: scenario_now(config.scenario))
    entry, target = check(lambda: INFERENCES.entry(config.attack)), check(lambda: MODELS.entry(config.target))
    protection = check(lambda: protection_of(config.defense))
    records = check(lambda: scenario.records) if scenario is not None else None
    attack = check(lambda: configure(entry.item, config.knobs)) if entry is not None else None
    if scenario is not None and records is not None and attack is not None:
        check(lambda: chosen_columns(scenario, attack))
    if entry is not None and target is not None and scenario is not None:
        found += filter(None, [fit_problem(entry.info, target.info.key, scenario)])
    if protection is not None and target is not None and scenario is not None and records is not None:
        found += filter(None, [protection_problem(target.info.key, scenario.response, records.private.columns)])
    if config.fork is not None:
        found.append("An attribute inference cannot go on from a frame of another run. Run it again.")
    if config.prior is not None:
        found.append("Attribute inference searches no prior.")
    if config.restarts != 1 or config.asks != 1:
        found.append("Attribute inference asks each question once and starts once.")
    if not 1 <= len(config.classes) <= MOST_WATCHED or min(config.classes, default=0) < 0:
        found.append("Watch 1 to 64 records, by their numbers from 0 (--classes 0-7).")
    if (problem := seed_problem(config.seed)) is not None:
        found.append(problem)
    if config.budget is not None and config.budget < 1:
        found.append(f"budget={config.budget} is out of range; leave it empty or allow at least 1 query.")
    return list(dict.fromkeys(found))


def fit_problem(info: InferenceInfo, target: str, scenario: TableScenario) -> str | None:
    """Return why an attack does not fit a target, or None."""
    kind = MODELS.entry(target).info
    if info.counts and not kind.counts:
        able = ", ".join(e.key for e in MODELS if e.info.counts)
        return f"{info.title} reads a tree's counts, and {kind.title} has none. Choose the target {able}."
    if info.confidences and kind.regresses and scenario.response.is_number:
        able = ", ".join(e.key for e in MODELS if not e.info.regresses)
        return f"{info.title} needs confidences, and {kind.title} tells a number. Choose the target {able}."
    return None


def default_table_config(
    scenario: str, attack: str, *, preset: str = "demo", knobs: dict[str, Any] | None = None, **overrides: Any
) -> RunConfig:
    """Return a complete configuration; what is not given is the scenario's or the attack's default.

    Raises:
        UnknownName, KnobError, UsageError, DataMissing.
    """
    if preset != "demo":
        raise UnknownName(f"preset of {attack}", preset, ["demo"])
    place, entry = scenario_now(scenario), INFERENCES.entry(attack)
    values = values_of(configure(entry.item, knobs or {}))
    if overrides.get("target") is None:
        overrides["target"] = usual_target(entry.info, place)
    protection = protection_of(overrides.get("defense") or "none")
    overrides["defense"] = "none" if protection is None else str(protection)
    overrides["classes"] = watched_of(overrides.get("classes"))
    return RunConfig(scenario=scenario, attack=attack, knobs=values, **overrides)


def usual_target(info: InferenceInfo, scenario: TableScenario) -> str:
    """Return the scenario's default target, or the first that the attack fits."""
    keys = [scenario.default_target, *MODELS.keys()]
    return next((key for key in keys if fit_problem(info, key, scenario) is None), keys[0])


def watched_of(said: str | list[int] | tuple[int, ...] | None) -> tuple[int, ...]:
    """Return the numbers of the records that are watched, of "0-7" or a list; the first eight where nothing is said."""
    if said is None or said == "all":
        return tuple(range(8))
    parts = class_ranges(said) if isinstance(said, str) else [(int(c), int(c)) for c in said]
    if any(last - first > MOST_WATCHED for first, last in parts):
        raise UsageError("Watch at most 64 records.")
    return tuple(dict.fromkeys(c for first, last in parts for c in range(first, last + 1)))
