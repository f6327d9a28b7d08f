"""Defenses against attacks from inside and from outside: on the digits' ResNet, and on the faces' pretrained recogniser.

A defense of the output has no cell with a white-box attack, which holds the model itself and never meets it: there
the row of the undefended target counts. Guards of a split have no row, for none of these attacks meets them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workbench.attacks import ATTACKS
from workbench.defenses.plan import DEFENSES
from workbench.engine.presets import PLAIN_ASCENT, default_config
from workbench.grids.base import Cell, grid

# How far digits' training is turned where no target of the usual strength is shipped.
STRENGTH = {"bido": "bido(strength=1)", "tl-dmi": "tl-dmi(frozen=0.085)"}
# The stronger of GMI's losses: a defense is judged by what gets past it.
ATTACKED: dict[str, dict[str, Any]] = {
    "gmi": {"identity_loss": "logit"},
    "ppa": {},
    "plg-mi": {},
    "brep-mi": {},
    "yang": {},
}
TUNED = ("none", "bido", "neg-ls", "tl-dmi", "netguard")  # whose generators are tuned to the defended target
RESTARTS = {"brep-mi": 4, "yang": 4}  # others two
PEOPLE = list(range(8))  # those of the first page's cards


@grid(
    "table-defenses",
    title="Defenses",
    rows="defense",
    absent="white-box: never meets it",
    order=2,
    text="Digits: the ResNet, every digit twice (BREP-MI, Yang et al.: four times), demo presets, seed 0. Faces: the "
    "pretrained recogniser, the eight people and the knobs of the first page's card. White-box attacks never meet what is "
    "done to the output, and PLG-MI has no generator for some targets; such pairs have no cell.",
)
def defenses() -> Iterator[Cell]:
    for attack, knobs in ATTACKED.items():
        entry = ATTACKS.entry(attack)
        for defense in DEFENSES:
            stage, text = defense.info.stage, STRENGTH.get(defense.key, defense.key)
            if stage == "split" or (stage == "output" and entry.info.access.inside):
                continue
            if attack == "plg-mi" and defense.key not in TUNED:
                continue
            config = default_config("digits", attack, knobs=knobs, defense=text, restarts=RESTARTS.get(attack, 2))
            yield Cell(defense.title, entry.title, config, group="digits")
    for key in ("none", "dp-sgd"):
        config = default_config(
            "faces",
            "ppa",
            target="facenet",
            prior="refined-pca",
            defense=key,
            classes=PEOPLE,
            knobs=PLAIN_ASCENT,
        )
        yield Cell(DEFENSES.entry(key).title, ATTACKS.entry("ppa").title, config, group="faces")
