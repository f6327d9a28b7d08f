"""What Invert's controls do, without the controls: plain data in, plain data out, nothing of Gradio.

An answer names controls and says what each is to be: ``{"seed": {"value": 3}, "prior": {"visible": False}}``.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any, Protocol

from workbench.attacks import ATTACKS
from workbench.core.errors import UsageError, WorkbenchError
from workbench.core.records import Fork, RunConfig, TrainingConfig
from workbench.defenses.plan import Plan, under
from workbench.defenses.store import target_problem
from workbench.engine.compatibility import notes, problems
from workbench.engine.examples import has_example
from workbench.engine.presets import PRESETS, default_config, preset_of
from workbench.engine.restore import (
    MOST_ASKS,
    MOST_BUDGET,
    MOST_RESTARTS,
    MOST_SEED,
    Restored,
    config_from,
    whole,
)
from workbench.priors import PRIORS
from workbench.priors.base import prior_problem
from workbench.reports.command_line import command_line
from workbench.runs.store import RunStore
from workbench.scenarios import SCENARIOS
from workbench.tabular.scenarios import is_table
from workbench.targets import ARCHITECTURES
from workbench.targets.remote.sources import foreign_problem, is_foreign
from workbench.trainings.start import training_problems
from workbench.ui.catalog import Catalog
from workbench.ui.settings import GROUP, attack_choices, class_value, knob_presets, knob_value

FIRST_CLASSES = 8  # that are picked where a scenario is opened

Updates = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Settings:
    """What the controls say, as the page sends it: nothing of it is checked yet.

    Attributes:
        classes: the class picker's value; `picked` holds class numbers.
        knobs: the knob panel's value; `attack` is whose knobs they are, `values` holds them by name.
    """

    scenario: str
    target: str
    attack: str
    defense: str | None = "none"
    prior: str | None = None
    classes: Mapping[str, Any] = field(default_factory=dict)
    knobs: Mapping[str, Any] = field(default_factory=dict)
    restarts: float | None = 1
    seed: float | None = 0
    budget: float | None = 0
    asks: float | None = 1

    def config(self) -> RunConfig:
        """Return the configuration that the controls say; raises `UsageError` in words that name the control."""
        info = ATTACKS.entry(self.attack).info
        restarts = whole(self.restarts, "Tries per class", 1, MOST_RESTARTS)
        seed = whole(self.seed, "Seed", 0, MOST_SEED)
        budget = whole(self.budget or 0, "Query limit", 0, MOST_BUDGET)
        asks = whole(self.asks, "Asks per question", 1, MOST_ASKS)
        picked = [int(c) for c in self.classes.get("picked", [])]
        if not picked:
            raise UsageError("No class is chosen. Click at least one of the pictures under 'Classes'.")
        own = self.knobs.get("attack") == self.attack
        chosen = {"prior": self.prior} if info.prior and self.prior else {}
        return default_config(
            self.scenario,
            self.attack,
            knobs=self.knobs.get("values") if own else None,
            target=self.target,
            defense=self.defense or "none",
            classes=picked,
            restarts=restarts,
            seed=seed,
            budget=budget or None,
            asks=asks,
            **chosen,
        )


def opening_config(scenario: str, **overrides: Any) -> RunConfig:
    """Return what a scenario is opened with: its own attack on its first classes."""
    first = list(range(min(FIRST_CLASSES, len(SCENARIOS[scenario].class_names))))
    return default_config(scenario, SCENARIOS[scenario].default_attack, classes=first, **overrides)


def about(attack: str) -> str:
    """Return what an attack is, as HTML."""
    info = ATTACKS.entry(attack).info
    needs = f"Needs: {info.access.label.lower()} access" + (f", a {info.prior} prior" if info.prior else ", no prior")
    text = f'<p class="wb-about">{escape(info.summary)}<br><span>{escape(needs)} · {escape(info.paper)}</span></p>'
    if not info.departs:
        return text
    return f'{text}<details class="wb-about"><summary>Departs from the paper</summary>{escape(info.departs)}</details>'


def preset_cards() -> dict[str, Any]:
    """Return the cards of the first page as plain data."""
    return {
        "cards": [
            {
                "key": preset.key,
                "title": preset.title,
                "text": preset.text,
                "problem": next(iter(problems(preset.config)), ""),
                "note": f"{ATTACKS.entry(preset.config.attack).title} · "
                + SCENARIOS[preset.config.scenario].title.split(" (")[0],
                "lesson": " ".join(preset.lesson),
                "example": preset.key if has_example(preset) else "",
            }
            for preset in PRESETS
        ]
    }


def prior_choices(config: RunConfig) -> list[tuple[str, str]]:
    """Return (title, key) of every prior; those that are not trained for this target say so."""
    trained_under = under(config.defense)
    return [
        (
            e.title + (" (not trained)" if prior_problem(config.scenario, e.key, config.target, trained_under) else ""),
            e.key,
        )
        for e in PRIORS
    ]


def preset_of_knobs(config: RunConfig) -> str | None:
    """Return which of the attack's presets the knobs are, None for values of one's own."""
    for name in ATTACKS.entry(config.attack).info.presets:
        if default_config(config.scenario, config.attack, preset=name).knobs == dict(config.knobs):
            return name
    return None


def missing_training(config: RunConfig) -> TrainingConfig | None:
    """Return the training without which a configuration cannot run, None where none is missing."""
    if is_foreign(config.target):
        tuned_to, defense = None, "none"
    else:
        if target_problem(config.scenario, config.target, config.defense):
            return TrainingConfig("target", config.scenario, target=config.target, defense=config.defense)
        inside = Plan.of(config.defense).training
        tuned_to, defense = config.target, str(inside) if inside else "none"
    info = ATTACKS.entry(config.attack).info
    prior = config.prior or (SCENARIOS[config.scenario].default_prior if info.public else None)
    if prior is None or not prior_problem(config.scenario, prior, tuned_to, under(config.defense)):
        return None
    if not PRIORS[prior].tuned:
        return TrainingConfig("prior", config.scenario, prior)
    return TrainingConfig("prior", config.scenario, prior, tuned_to, defense) if tuned_to else None


def next_training(training: TrainingConfig) -> TrainingConfig:
    """Return what is trained first: a target itself, before what is put around its output."""
    if training.target is None or training.what != "target":
        return training
    inside = str(replace(Plan.of(training.defense), output=None))
    first = target_problem(training.scenario, training.target, inside) is not None
    return replace(training, defense=inside) if first else training


def remedy_label(training: TrainingConfig) -> str:
    """Return what the button says that leads to a training."""
    if training.prior is not None:
        return f"Train the {PRIORS.entry(training.prior).title} prior in Prior"
    return f"Train {ARCHITECTURES.entry(str(training.target)).title} in Target"


def refused(sentences: list[str]) -> str:
    return f'<div class="wb-problem" role="alert">{_paragraphs(sentences)}</div>' if sentences else ""


def remarked(sentences: list[str]) -> str:
    return f'<div class="wb-remark" role="status">{_paragraphs(sentences)}</div>' if sentences else ""


def _paragraphs(sentences: list[str]) -> str:
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)


def remote_problem(config: RunConfig) -> str | None:
    """Return what stands in the way at a target elsewhere as it is now, None where nothing does."""
    if not is_foreign(config.target):
        return None
    scenario = SCENARIOS[config.scenario]
    access = ATTACKS.entry(config.attack).info.access
    try:
        return foreign_problem(config.target, scenario.input_shape, len(scenario.class_names), access)
    except WorkbenchError:  # the command line does not allow it, and that stays so
        return None


def verdict(config: RunConfig, more: tuple[str, ...] = ()) -> Updates:
    """Return what stands beside a configuration: whether and why it cannot run, what would help, its command line.

    What a target elsewhere answers may be another by the time somebody presses Run, so for that alone Run stays.

    Args:
        more: sentences to be said besides.
    """
    passing = remote_problem(config)  # first: what is seen of it now holds for the look at all the rest
    wrong = problems(config)
    lasting = [problem for problem in wrong if problem != passing]
    training = missing_training(config) if wrong else None
    obstacles = training_problems(next_training(training)) if training else []
    if obstacles:  # a tab could not train it either
        training, wrong = None, list(dict.fromkeys([*wrong, *obstacles]))
    return {
        "problem": {"value": refused(wrong) + remarked([*more, *notes(config)])},
        "run_button": {"interactive": not lasting},
        "remedy": {"value": remedy_label(training) if training else "", "visible": training is not None},
        "command": {"value": command_line(config)},
        "kept": {"value": config.to_json()},
    }


def refusal(error: WorkbenchError) -> Updates:
    """Return what stands beside settings that are no configuration."""
    return {
        "problem": {"value": refused([str(error)])},
        "run_button": {"interactive": False},
        "remedy": {"visible": False},
        "command": {"value": ""},
    }


def check(settings: Settings) -> Updates:
    try:
        return verdict(settings.config())
    except WorkbenchError as error:
        return refusal(error)


def show(catalog: Catalog, config: RunConfig, more: tuple[str, ...] = ()) -> Updates:
    """Return a configuration as the state of every control."""
    info = ATTACKS.entry(config.attack).info
    return {
        "scenario": {"value": config.scenario},
        "target": {
            "choices": catalog.targets(config.scenario, config.defense) + catalog.foreign(),
            "value": config.target,
        },
        "defense": {
            "choices": catalog.defenses(config.scenario, config.target, config.defense),
            "value": config.defense,
        },
        "attack": {"choices": attack_choices(config.scenario, config.target), "value": config.attack},
        "prior": {
            "choices": prior_choices(config),
            "value": config.prior or info.prior,
            "visible": info.prior is not None,
        },
        "classes": {"value": class_value(catalog, config.scenario, config.classes)},
        "knobs": {"value": knob_value(config.attack, config.knobs, stamp=time.time_ns())},
        "preset": {"choices": knob_presets(config.attack), "value": preset_of_knobs(config)},
        "restarts": {"value": config.restarts},
        "seed": {"value": config.seed},
        "budget": {"value": config.budget or 0},
        "asks": {"value": config.asks},
        "about": {"value": about(config.attack)},
        **verdict(config, more),
    }


def without(updates: Updates, *controls: str) -> Updates:
    """Leave out what was picked itself: it may have been picked anew before this answer arrives."""
    return {control: update for control, update in updates.items() if control not in controls}


def choose_preset(settings: Settings, preset: str) -> Updates:
    """Put a preset's values into the knobs."""
    knobs = knob_value(settings.attack, preset=preset, stamp=time.time_ns())
    return {"knobs": {"value": knobs}, **check(replace(settings, knobs=knobs))}


def roll(settings: Settings) -> Updates:
    """Draw another seed."""
    seed = random.SystemRandom().randrange(MOST_SEED + 1)
    return {"seed": {"value": seed}, **check(replace(settings, seed=seed))}


class Queue(Protocol):
    """Where runs are handed in; `who` asks is known to it alone, and so is what they may do."""

    def submit(self, config: RunConfig, who: Any) -> str: ...

    def submit_instead(self, config: RunConfig, who: Any) -> str: ...

    def clear_queue(self, who: Any) -> list[str]: ...


class InvertHandlers:
    """What a person asks of Invert, carried out on a store, a queue and a catalogue.

    Everything raises the workbench's own errors.
    """

    def __init__(self, catalog: Catalog, store: RunStore, queue: Queue) -> None:
        self.catalog, self.store, self.queue = catalog, store, queue

    def start(self, settings: Settings, who: Any) -> Updates:
        """Queue what the controls say."""
        config = settings.config()
        return {"run": {"value": self.queue.submit(config, who)}, **verdict(config)}

    def start_instead(self, settings: Settings, who: Any) -> Updates:
        """Stop what is running, and start what the controls say before anything that waits."""
        config = settings.config()
        return {"run": {"value": self.queue.submit_instead(config, who)}, **verdict(config)}

    def clear_queue(self, settings: Settings, who: Any) -> Updates:
        """Take everything of theirs that waits out of the queue."""
        self.queue.clear_queue(who)
        return {}

    def start_card(self, event: Mapping[str, Any], who: Any) -> Updates:
        config = preset_of(str(event.get("key"))[:60]).config
        return {"run": {"value": self.queue.submit(config, who)}, **show(self.catalog, config)}

    def fork(self, event: Mapping[str, Any], who: Any) -> Updates:
        """Go on from a recorded frame of a run, as a new run."""
        folder = self.store.folder(str(event.get("run")))
        config = replace(folder.config(), fork=Fork(folder.id, whole(event.get("frame"), "Frame", 0, 10**9)))
        return {"run": {"value": self.queue.submit(config, who)}, **show(self.catalog, config)}

    def recall(self, run: str) -> Updates:
        """Put an opened run's settings into the controls; nothing where it is gone."""
        try:
            return show(self.catalog, self.store.folder(run).config())
        except WorkbenchError:
            return {}

    def choose_scenario(self, settings: Settings) -> Updates:
        return without(show(self.catalog, opening_config(settings.scenario)), "scenario")

    def choose_attack(self, settings: Settings) -> Updates:
        """Turn to another attack; a heading of the menu is none, and the attack stays."""
        if settings.attack.startswith(GROUP):
            return {"attack": {"value": str(settings.knobs.get("attack"))}}
        first = default_config(
            settings.scenario,
            settings.attack,
            target=settings.target,
            defense=settings.defense or "none",
            classes=list(settings.classes.get("picked") or [0]),
        )
        try:
            kept = replace(settings, prior=first.prior, knobs={}).config()
            updates = show(self.catalog, kept)
        except UsageError as error:  # a number that is not allowed stays in its field, and so does the reason
            updates = {**show(self.catalog, first), **refusal(error)}
        return without(updates, "classes", "attack", "restarts", "seed", "budget", "asks")

    def reset(self, settings: Settings) -> Updates:
        """Put the chosen scenario's own settings into the controls."""
        return show(self.catalog, opening_config(settings.scenario))

    def aim(self, settings: Settings, scenario: str, target: str, defense: str) -> Updates:
        """Turn to another target, and leave the attack as it is where it is of this scenario."""
        config = opening_config(scenario, target=target, defense=defense)
        if scenario == settings.scenario:
            config = default_config(
                scenario, settings.attack, target=target, defense=defense, classes=list(config.classes)
            )
        return show(self.catalog, config)

    def restore(self, event: Mapping[str, Any]) -> Updates:
        """Put settings that a file held into the controls; they are checked again, for the page is not believed."""
        restored: Restored = config_from(event.get("config"))
        if is_table(restored.config.scenario):
            raise UsageError(
                "These are settings of an attribute inference. Repeat it with python -m workbench run --from FILE."
            )
        where = "Settings restored from the file. Run starts them."
        return show(self.catalog, restored.config, (where, *restored.notes))

    def remember(self, kept: Any) -> Updates:
        """Put the settings that this browser used last into the controls; nothing where there are none that still hold."""
        if not kept:
            return {}
        try:
            config = config_from(kept).config
            return {} if is_table(config.scenario) else show(self.catalog, config)
        except WorkbenchError:
            return {}
