"""Every defense against attacks from inside and from outside, on the digits' and the faces' ResNet.

A defense of the output has no cell with a white-box attack, which holds the model itself and never meets it: there
the row of the undefended target counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workbench.attacks import ATTACKS
from workbench.defenses.plan import DEFENSES
from workbench.engine.presets import default_config
from workbench.grids.base import Cell, grid

# The stronger of GMI's losses: a defense is judged by what gets past it.
ATTACKED: dict[str, dict[str, Any]] = {
    "gmi": {"identity_loss": "logit"},
    "ked-mi": {},
    "ppa": {},
    "plg-mi": {},
    "brep-mi": {},
    "yang": {},
}
RESTARTS = {"digits": 4}


@grid(
    "table-defenses",
    title="Defenses",
    rows="defense",
    absent="white-box: never meets it",
    order=2,
    text="Every defense at its default strength, on the ResNet of digits and of faces, all classes, demo presets, seed 0. "
    "White-box attacks never meet what is done to the output; such pairs have no cell.",
)
def defenses() -> Iterator[Cell]:
    for scenario in ("digits", "faces"):
        for attack, knobs in ATTACKED.items():
            entry = ATTACKS.entry(attack)
            for defense in DEFENSES:
                if defense.info.stage == "output" and entry.info.access.inside:
                    continue
                yield Cell(
                    defense.title,
                    entry.title,
                    group=scenario,
                    config=default_config(
                        scenario, attack, knobs=knobs, defense=defense.key, restarts=RESTARTS.get(scenario, 1)
                    ),
                )
