"""One defense turned from weak to strong, against what gets past it: a curve of leakage over strength.

Noise on the answers needs no training, so its curve can be filled on any machine; MID's is of classifiers trained at
each strength.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workbench.attacks import ATTACKS
from workbench.defenses.plan import DEFENSES
from workbench.engine.presets import default_config
from workbench.grids.base import Cell, grid

SWEPT: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "mid": (("gmi", {"identity_loss": "logit"}), ("ppa", {})),
    "noise": (("yang", {}),),
}
RESTARTS = {"mid": 2, "noise": 4}


@grid(
    "table-strength",
    title="Over a defense's strength",
    rows="attack",
    order=4,
    text="MID's weight and the noise on confidences, each from weak to strong, on the digits' ResNet: attacks' demo "
    "presets, two candidates a class against MID, four against noise, seed 0.",
)
def strength() -> Iterator[Cell]:
    for key, attacks in SWEPT.items():
        defense = DEFENSES.entry(key)
        knob = defense.info.strength
        for attack, knobs in attacks:
            for level in defense.info.levels:
                config = default_config(
                    "digits", attack, knobs=knobs, defense=f"{key}({knob}={level})", restarts=RESTARTS[key]
                )
                yield Cell(
                    ATTACKS.entry(attack).title, f"{knob} {level:g}", config, group=f"digits, {defense.title}", x=level
                )
