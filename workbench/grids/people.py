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
HEADLINE = "ppa"  # the first page's attack: the one row with several seeds
SEARCHES = ("gmi", "vmi", "ppa", "plg-mi", "ked-mi", "mirror", "ppdg-mi")
WITHOUT_PRIOR = ("mi-face", "pixel")
# Demo presets are made for networks a tenth of this one's size.
SHORTER: dict[str, dict[str, Any]] = {
    "gmi": {"steps": 100},
    "mirror": {"steps": 60, "lr": 0.08},
    "vmi": {"steps": 60},
    "pixel": {"steps": 150},
    "mi-face": {"steps": 150},
}


def plain(attack: str) -> dict[str, Any]:
    """Return the values of the first card's knobs that an attack has too, but for how far and how fast it goes."""
    own = {field.name for field in dataclasses.fields(cast(Any, ATTACKS[attack]))} - {"steps", "lr", "settle"}
    return {name: value for name, value in PLAIN_ASCENT.items() if name in own}


@grid(
    "table-people",
    title="A pretrained recogniser",
    text="White-box attacks on the pretrained face recogniser, all through refined eigenimages, all classes.",
    order=0,
)
def people() -> Iterator[Cell]:
    common: dict[str, Any] = {"target": "facenet", "prior": "refined-pca"}
    for scenario in ("faces", "lfw"):
        yield Cell(ATTACKS.entry("random").title, scenario, default_config(scenario, "random", **common), seed=0)
        for key in WITHOUT_PRIOR:
            knobs = SHORTER[key]
            config = default_config(scenario, key, target="facenet", knobs=knobs)
            yield Cell(ATTACKS.entry(key).title, scenario, config, seed=0)
        for key in SEARCHES:
            knobs = PLAIN_ASCENT if key == HEADLINE else {**plain(key), **SHORTER.get(key, {})}
            for seed in SEEDS if key == HEADLINE else SEEDS[:1]:
                config = default_config(scenario, key, knobs=dict(knobs), seed=seed, **common)
                yield Cell(ATTACKS.entry(key).title, scenario, config, seed=seed)
