"""Complete configurations: an attack's defaults on a scenario, and the ones that are offered on the first page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workbench.attacks import ATTACKS, AttackInfo
from workbench.attacks.needs import unmet
from workbench.core.errors import UnknownName
from workbench.core.knobs import configure, values_of
from workbench.core.records import RunConfig
from workbench.defenses.plan import Plan
from workbench.defenses.store import target_problem
from workbench.priors import PRIORS
from workbench.priors.base import prior_problem
from workbench.scenarios import SCENARIOS
from workbench.tabular.fitting import default_table_config
from workbench.tabular.scenarios import is_table


def default_config(
    scenario: str, attack: str, *, preset: str = "demo", knobs: dict[str, Any] | None = None, **overrides: Any
) -> RunConfig:
    """Return a complete configuration; what is not given is the scenario's or the attack's default.

    Raises:
        UnknownName, KnobError.
    """
    if is_table(scenario):
        return default_table_config(scenario, attack, preset=preset, knobs=knobs, **overrides)
    place, entry = SCENARIOS.entry(scenario), ATTACKS.entry(attack)
    info = entry.info
    if preset not in info.presets:
        raise UnknownName(f"preset of {attack}", preset, info.presets)
    configured = configure(entry.item, {**info.presets[preset], **(knobs or {})})
    overrides.setdefault("target", _first_target(scenario, info))
    overrides.setdefault("prior", first_prior(scenario, info, overrides["target"]))
    overrides["defense"] = str(Plan.of(overrides.get("defense", "none")))
    if info.on_updates and overrides.get("classes") is None:
        overrides["classes"] = [0]  # a batch of one image, which is what these attacks were published with
    overrides["classes"] = tuple(place.item().classes(overrides.get("classes")))
    return RunConfig(scenario=scenario, attack=attack, knobs=values_of(configured), **overrides)


def _first_target(scenario: str, info: AttackInfo) -> str:
    """Return what an attack is tried on where nobody names a target."""
    usual = SCENARIOS[scenario].default_target
    return info.target if info.target and target_problem(scenario, info.target) is None else usual


def first_prior(scenario: str, info: AttackInfo, target: str) -> str | None:
    """Return what an attack draws where nobody names a prior: its paper's kind.

    On pictures that somebody brought, where that is not trained and would take hours, the scenario's usual one if it will do.
    """
    place = SCENARIOS[scenario]
    if info.prior is None or not place.own or unmet(info, place.default_prior) is not None:
        return info.prior
    tuned_to = target if PRIORS[info.prior].tuned else None
    return info.prior if prior_problem(scenario, info.prior, tuned_to) is None else place.default_prior


@dataclass(frozen=True)
class Preset:
    """A complete configuration that the first page offers as a card.

    Attributes:
        title, text: what it is called, and what it shows, for someone who has read nothing yet.
        lesson: steps of the guided lesson (their ids in `assets/lesson/steps.js`) that show this card.
    """

    key: str
    title: str
    text: str
    config: RunConfig
    lesson: tuple[str, ...] = ()


# From the most ordinary face straight up the logit: starts that the target likes already cost half a minute of questions.
PLAIN_ASCENT = dict(
    identity_loss="logit",
    feature_weight=0.0,  # LOMMA's pull is towards everybody's mean feature, which on this target is away from the person
    samples=50,
    tries=1,
    truncation=0.1,
    shake=0.06,
    steps=60,
    lr=0.12,
    settle=1.0,
)


FAMOUS = [4, 6, 8, 11, 14, 53, 58, 60]  # of LFW's 62; the photographs are not shipped, but everybody knows these


def _presets() -> tuple[Preset, ...]:
    return (
        Preset(
            "eight-faces",
            "Eight private faces",
            "PPA climbs what a face recogniser answers, through eigenfaces of other people made sharp. Do you know anyone?",
            default_config(
                "faces", "ppa", target="facenet", prior="refined-pca", classes=list(range(8)), knobs=PLAIN_ASCENT
            ),
            lesson=("target", "attacker", "run"),
        ),
        Preset(
            "public-figures",
            "Faces you know",
            "The same, in colour, on press photographs of public figures, chosen for their fame. Look before you read the names.",
            default_config("lfw", "ppa", target="facenet", prior="refined-pca", classes=FAMOUS, knobs=PLAIN_ASCENT),
        ),
        Preset(
            "defended",
            "The same, under a defense",
            "The same attack on a recogniser whose last layer was trained with differential privacy, ε = 10.",
            default_config(
                "faces",
                "ppa",
                target="facenet",
                prior="refined-pca",
                defense="dp-sgd",
                classes=list(range(8)),
                knobs=PLAIN_ASCENT,
            ),
            lesson=("defense",),
        ),
        Preset(
            "digits",
            "Digits nobody showed",
            "The attacker has only seen 5 to 9, and gets 0 to 4 out of a classifier.",
            default_config("digits", "gmi", restarts=2),
        ),
        Preset(
            "hundred-percent",
            "100 %, and nobody there",
            "GMI against a ResNet trained from scratch: its evaluator says 8 of 8. Look yourself, then read the face judges.",
            default_config(
                "faces", "gmi", target="resnet", classes=list(range(8)), knobs={"identity_loss": "logit", "tries": 1}
            ),
            lesson=("verdict",),
        ),
    )


PRESETS = _presets()


def preset_of(key: str) -> Preset:
    """Return the card of this key; raises `UnknownName`."""
    for preset in PRESETS:
        if preset.key == key:
            return preset
    raise UnknownName("card", key, [preset.key for preset in PRESETS])
