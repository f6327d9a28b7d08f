"""Complete configurations: an attack's defaults on a scenario, and the ones that are offered on the first page."""

from __future__ import annotations

from typing import Any

from workbench.attacks import ATTACKS, AttackInfo
from workbench.core.errors import UnknownName
from workbench.core.knobs import configure, values_of
from workbench.core.records import RunConfig
from workbench.defenses.plan import Plan
from workbench.scenarios import SCENARIOS


def default_config(
    scenario: str, attack: str, *, preset: str = "demo", knobs: dict[str, Any] | None = None, **overrides: Any
) -> RunConfig:
    """Return a complete configuration; what is not given is the scenario's or the attack's default.

    Raises:
        UnknownName, KnobError.
    """
    place, entry = SCENARIOS.entry(scenario), ATTACKS.entry(attack)
    info = AttackInfo.of(entry)
    if preset not in info.presets:
        raise UnknownName(f"preset of {attack}", preset, info.presets)
    configured = configure(entry.item, {**info.presets[preset], **(knobs or {})})
    overrides.setdefault("target", place.item.default_target)
    overrides.setdefault("prior", info.prior)
    overrides["defense"] = str(Plan.of(overrides.get("defense", "none")))
    overrides["classes"] = tuple(place.item().classes(overrides.get("classes")))
    return RunConfig(scenario=scenario, attack=attack, knobs=values_of(configured), **overrides)


def _presets() -> list[dict[str, Any]]:
    return [
        {
            "key": "eight-faces",
            "title": "Eight private faces",
            "text": "GMI, with LOMMA's logit loss, searches a face generator for eight people whom a ResNet was trained on.",
            "config": default_config("faces", "gmi", classes=list(range(8)), knobs={"identity_loss": "logit"}),
        },
        {
            "key": "bare-pixels",
            "title": "Faces from bare pixels",
            "text": "MI-Face (2015) climbs a softmax regression's confidence pixel by pixel. No prior at all.",
            "config": default_config(
                "faces", "mi-face", target="softmax", classes=list(range(8)), knobs={"steps": 4000, "lr": 0.15}
            ),
        },
        {
            "key": "digits",
            "title": "Digits nobody showed",
            "text": "The attacker has only seen 5 to 9, and gets 0 to 4 out of a classifier.",
            "config": default_config("digits", "gmi", restarts=2),
        },
        {
            "key": "everyone",
            "title": "All forty people",
            "text": "The whole private data set in one batch. Takes a few minutes on two cores.",
            "config": default_config("faces", "gmi", knobs={"identity_loss": "logit"}),
        },
    ]


PRESETS = _presets()
