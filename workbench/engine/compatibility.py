"""One place that says why parts do not fit together, before any work, in sentences for a person."""

from __future__ import annotations

from typing import Any

from workbench.attacks import ATTACKS
from workbench.attacks.needs import first_layer_problem, layer_problem, unmet
from workbench.attacks.threats import threat_of
from workbench.core.errors import DataMissing, Incompatible, WorkbenchError
from workbench.core.knobs import configure
from workbench.core.records import RunConfig, seed_problem
from workbench.defenses.plan import DEFENSES, Plan, under
from workbench.defenses.store import target_problem
from workbench.engine.sanity import sanity_warning
from workbench.engine.split import split_problem
from workbench.priors import PRIORS
from workbench.priors.base import prior_problem
from workbench.scenarios import SCENARIOS
from workbench.tabular.fitting import table_problems
from workbench.tabular.scenarios import is_table
from workbench.targets import ARCHITECTURES
from workbench.targets.remote.sources import foreign_problem, is_foreign
from workbench.targets.store import EVALUATOR


def attack_problem(
    scenario: str, target: str, attack: str, prior: str | None = None, defense: str = "none"
) -> str | None:
    """Return why this attack cannot run on this target, in one sentence, or None."""
    info = ATTACKS.entry(attack).info
    if info.public and info.prior is None and (missing := public_problem(scenario)):
        return missing
    if info.prior is None:
        return None
    return unmet(info, prior or info.prior) or prior_problem(scenario, prior or info.prior, target, under(defense))


def public_problem(scenario: str) -> str | None:
    """Return why there is nothing public to ask the target about, or None: a prior's samples will do."""
    place = SCENARIOS[scenario]()
    if (missing := prior_problem(scenario, place.default_prior)) is None:
        return None
    try:
        place.public_here()
    except DataMissing:
        return f"{place.title} ships no public images. {missing}"
    return None


def update_problem(config: RunConfig) -> str | None:
    """Return why nobody answers, or the attack on what they send cannot be run, in a sentence, or None."""
    if is_foreign(config.target):
        return "Participants train a model of their own machine; a target elsewhere cannot be sent to them. Choose another target."
    scenario = SCENARIOS[config.scenario]()
    if problem := scenario.problem():
        return problem
    if config.attack == "closed-form" and config.target in ARCHITECTURES:
        return first_layer_problem(config.target, tuple(scenario.input_shape))
    return None


def problems(config: RunConfig) -> list[str]:
    """Return everything that keeps this configuration from running, a sentence each."""
    if is_table(config.scenario):
        return table_problems(config)
    found: list[str] = []

    def check(look: Any) -> Any:
        try:
            value = look()
        except WorkbenchError as error:
            found.append(str(error))
            return None
        if isinstance(value, str):
            found.append(value)
        return value

    scenario = check(lambda: SCENARIOS.entry(config.scenario))
    attack = check(lambda: ATTACKS.entry(config.attack))
    defended = check(lambda: Plan.of(config.defense)) is not None
    if config.prior is not None:
        check(lambda: PRIORS.entry(config.prior) and None)
    if config.target == EVALUATOR:
        found.append("The evaluator judges and is never attacked. Choose another target.")
    elif is_foreign(config.target):
        if scenario is not None and attack is not None:
            check(
                lambda: foreign_problem(
                    config.target, scenario.item.input_shape, scenario.item().num_classes, attack.info.access
                )
            )
        if config.defense != "none":
            found.append("What defends a target elsewhere is put around it where it runs: choose no defense here.")
    elif check(lambda: ARCHITECTURES.entry(config.target)) is not None and scenario is not None and defended:
        check(lambda: target_problem(config.scenario, config.target, config.defense))
    if attack is not None:
        check(lambda: configure(attack.item, config.knobs) and None)
        if scenario is not None and defended and (config.prior is None or config.prior in PRIORS):
            check(lambda: attack_problem(config.scenario, config.target, config.attack, config.prior, config.defense))
    if attack is not None and scenario is not None and defended:
        check(lambda: split_problem(config, attack.info, scenario.item))
    if attack is not None and scenario is not None and config.target in ARCHITECTURES:
        check(lambda: layer_problem(scenario.item.input_shape, config.target, config.knobs))
    if attack is not None and attack.info.on_updates and scenario is not None:
        check(lambda: update_problem(config))
    if scenario is not None:
        check(lambda: scenario.item().classes(list(config.classes)) and None)
    if not 1 <= config.restarts <= 64:
        found.append(f"restarts={config.restarts} is out of range; allowed: 1 to 64.")
    if len(config.classes) * config.restarts > 512:
        found.append(
            f"{len(config.classes)} classes x {config.restarts} restarts is more than 512 candidates at once. "
            "Choose fewer of either."
        )
    if (problem := seed_problem(config.seed)) is not None:
        found.append(problem)
    if config.budget is not None and config.budget < 1:
        found.append(f"budget={config.budget} is out of range; leave it empty or allow at least 1 query.")
    if not 1 <= config.asks <= 1000:
        found.append(f"asks={config.asks} is out of range; allowed: 1 to 1000.")
    return list(dict.fromkeys(found))


def notes(config: RunConfig) -> list[str]:
    """Return what is worth knowing of a configuration that may run all the same, a sentence each; [] if it may not."""
    if problems(config) or is_table(config.scenario):
        return []
    info, plan = ATTACKS.entry(config.attack).info, Plan.of(config.defense)
    found = [said] if (said := sanity_warning(config.scenario, config.target, config.defense)) else []
    if (part := plan.output) is not None and info.access.inside:
        found.append(
            f"{part.title} changes nothing but what is released. {info.title} holds the model itself, so it attacks "
            f"{Plan(plan.training).title if plan.training else 'the undefended target'}."
        )
    elif part is not None and (said := part.defense.note(info.access)):
        found.append(said)
    random = [
        p
        for p in plan.parts
        if DEFENSES.entry(p.key).info.random
        and p.stage != "split"  # what a client sent of its picture, it sent once
        and not (p.stage == "output" and info.access.inside)
    ]
    if config.asks == 1:
        found += [
            f"{part.title} answers at random. An attacker who knows that asks everything several times and "
            "averages (--asks)."
            for part in random
        ]
    if not random and config.asks > 1:
        found.append(
            "This target gives the same question the same answer: asking again spends queries and finds nothing."
        )
    return found + (update_notes(config) if info.on_updates else [])


def update_notes(config: RunConfig) -> list[str]:
    """Return what a reader of an attack on updates must know: the threat model, and what its switches promise."""
    attack = configure(ATTACKS[config.attack], config.knobs)
    return list(threat_of(ATTACKS.entry(config.attack).info, attack, len(config.classes)).sentences)


def ensure_fits(config: RunConfig) -> None:
    """Raise `Incompatible` with every problem of `config`."""
    if found := problems(config):
        raise Incompatible(found)
