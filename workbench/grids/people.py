"""Attacks on a face recogniser that was trained on millions of others and taught the private people last.

It is what a face recogniser in use is, and what the first page's card attacks. Every attack searches the same prior, and
climbs the logit alone, once from one start, so that what differs is the method.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, cast

from workbench.attacks import ATTACKS
from workbench.engine.presets import PLAIN_ASCENT, default_config
from workbench.grids.base import Cell, grid

SEEDS = (0, 1, 2)
HEADLINE = "ppa"  # the first page's attack: the row with several seeds
SOME = list(range(5))  # whom the attacks that take minutes for each attack
SLOW = ("ppdg-mi",)
SEARCHES = {
    "faces": ("ppa", "mirror", "vmi", "ked-mi", "gmi", "plg-mi", "ppdg-mi"),
    "lfw": ("ppa", "mirror", "ked-mi"),
}
WITHOUT_PRIOR = {"faces": ("mi-face", "pixel"), "lfw": ()}
# Demo presets are made for networks a tenth of this one's size.
SHORTER: dict[str, dict[str, Any]] = {
    "gmi": {"steps": 60},
    "mirror": {"steps": 60, "lr": 0.08},
    "vmi": {"steps": 60},
    # As narrow as VMI begins: at its own width each draw is another caricature.
    "ked-mi": {"steps": 60, "start_mean": PLAIN_ASCENT["truncation"], "start_logvar": -2.4},
    "plg-mi": {"steps": 30},  # each looks twice
    "ppdg-mi": {"base": "mirror", "pictures": 2, "kept": 1, "share": 0.1},
    "pixel": {"steps": 60},
    "mi-face": {"steps": 80},
}


def plain(attack: str) -> dict[str, Any]:
    """Return the values of the first card's knobs that an attack has too, but for how far and how fast it goes."""
    own = {field.name for field in dataclasses.fields(cast(Any, ATTACKS[attack]))} - {"steps", "lr", "settle"}
    return {name: value for name, value in PLAIN_ASCENT.items() if name in own}


@grid(
    "table-people",
    title="A pretrained recogniser",
    text="White-box attacks on the pretrained face recogniser, all through refined eigenimages, of everybody, or of the "
    "first five where an attack takes minutes for each.",
    order=0,
)
def people() -> Iterator[Cell]:
    for scenario in ("faces", "lfw"):
        common: dict[str, Any] = {"target": "facenet", "prior": "refined-pca"}
        for key in ("random", *SEARCHES[scenario]):
            whom = SOME if key in SLOW else None
            knobs = (
                {} if key == "random" else PLAIN_ASCENT if key == HEADLINE else {**plain(key), **SHORTER.get(key, {})}
            )
            for seed in SEEDS if key == HEADLINE and scenario == "faces" else SEEDS[:1]:
                config = default_config(scenario, key, knobs=dict(knobs), seed=seed, classes=whom, **common)
                yield Cell(ATTACKS.entry(key).title, scenario, config, seed=seed)
        for key in WITHOUT_PRIOR[scenario]:
            config = default_config(scenario, key, target="facenet", knobs=SHORTER[key], classes=SOME)
            yield Cell(ATTACKS.entry(key).title, scenario, config, seed=0)
