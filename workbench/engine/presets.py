"""Complete configurations: an attack's defaults on a scenario, and the ones that are offered on the first page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workbench.attacks import ATTACKS
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
    info = entry.info
    if preset not in info.presets:
        raise UnknownName(f"preset of {attack}", preset, info.presets)
    configured = configure(entry.item, {**info.presets[preset], **(knobs or {})})
    overrides.setdefault("target", place.item.default_target)
    overrides.setdefault("prior", info.prior)
    overrides["defense"] = str(Plan.of(overrides.get("defense", "none")))
    overrides["classes"] = tuple(place.item().classes(overrides.get("classes")))
    return RunConfig(scenario=scenario, attack=attack, knobs=values_of(configured), **overrides)


@dataclass(frozen=True)
class Preset:
    """A complete configuration that the first page offers as a card.

    Attributes:
        title, text: what it is called, and what it shows, for someone who has read nothing yet.
    """

    key: str
    title: str
    text: str
    config: RunConfig


def _presets() -> tuple[Preset, ...]:
    return (
        Preset(
            "eight-faces",
            "Eight private faces",
            "GMI, with LOMMA's logit loss, searches a face generator for eight people whom a ResNet was trained on.",
            default_config("faces", "gmi", classes=list(range(8)), knobs={"identity_loss": "logit"}),
        ),
        Preset(
            "bare-pixels",
            "Faces from bare pixels",
            "MI-Face (2015) climbs a softmax regression's confidence pixel by pixel. No prior at all.",
            default_config(
                "faces", "mi-face", target="softmax", classes=list(range(8)), knobs={"steps": 4000, "lr": 0.15}
            ),
        ),
        Preset(
            "digits",
            "Digits nobody showed",
            "The attacker has only seen 5 to 9, and gets 0 to 4 out of a classifier.",
            default_config("digits", "gmi", restarts=2),
        ),
        Preset(
            "everyone",
            "All forty people",
            "The whole private data set in one batch. Takes a few minutes on two cores.",
            default_config("faces", "gmi", knobs={"identity_loss": "logit"}),
        ),
    )


PRESETS = _presets()


def preset_of(key: str) -> Preset:
    """Return the card of this key; raises `UnknownName`."""
    for preset in PRESETS:
        if preset.key == key:
            return preset
    raise UnknownName("card", key, [preset.key for preset in PRESETS])
