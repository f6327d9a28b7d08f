"""Every black-box attack at growing numbers of queries.

A cell is a run of its own: an attack is given its budget beforehand, and those that ask first and compute then use it
otherwise than those that stop in the middle.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from workbench.attacks import ATTACKS
from workbench.core.knobs import knobs_of
from workbench.engine.presets import default_config
from workbench.grids.base import Cell, grid

SCENARIO = (
    "digits"  # a face recogniser answers 25 queries a second and core, which makes a cell of eight people half an hour
)
PER_CLASS = (1_000, 5_000)
ASK_FIRST = ("images", "queries")  # knobs that spend the budget before anything is computed
LONGEST = 10**9


def unlimited(attack: str) -> dict[str, Any]:
    """Return knob values with which the budget alone ends an attack: asking as much as it may, or enough steps."""
    declared = knobs_of(ATTACKS[attack])
    named = [name for name in ASK_FIRST if name in declared] or ["steps"]
    return {name: LONGEST if (most := declared[name].hi) is None else min(LONGEST, int(most)) for name in named}


@grid(
    "table-queries",
    title="Accuracy against queries",
    axis="queries a class",
    order=3,
    text="Every black-box attack on the digits' undefended ResNet, all classes, with so many queries a class, seed 0.",
)
def queries() -> Iterator[Cell]:
    for entry in ATTACKS:
        if entry.info.access.inside or entry.key == "random":
            continue
        for each in PER_CLASS:
            config = default_config(SCENARIO, entry.key, knobs=unlimited(entry.key))
            yield Cell(
                entry.title,
                f"{each:,} a class",
                replace(config, budget=each * len(config.classes)),
                group=SCENARIO,
                x=each,
            )
