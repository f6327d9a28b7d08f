"""Every white-box attack on the undefended ResNet of each image scenario."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workbench.attacks import ATTACKS
from workbench.engine.presets import default_config
from workbench.grids.base import Cell, grid

ROWS = ("random", "mi-face", "pixel", "gmi", "ked-mi", "vmi", "ppa", "plg-mi", "mirror", "diffusion")
RESTARTS = {"digits": 4}
# The two halves of LOMMA: its loss alone, and with the augmented models.
OPTIONS: dict[str, dict[str, Any]] = {
    "logit loss": {"identity_loss": "logit"},
    "LOMMA": {"identity_loss": "logit", "augment": 3},
}


@grid(
    "table-white-box",
    title="White-box attacks",
    text="Every attack with its demo preset on the ResNet that each scenario ships, all classes, seed 0.",
    order=1,
)
def white_box() -> Iterator[Cell]:
    for scenario in ("faces", "digits", "lfw"):
        for key in ROWS:
            entry = ATTACKS.entry(key)
            config = default_config(scenario, key, restarts=RESTARTS.get(scenario, 1))
            yield Cell(entry.title, scenario, config)
            if key in ("gmi", "ked-mi"):
                for name, knobs in OPTIONS.items():
                    yield Cell(
                        f"{entry.title} + {name}",
                        scenario,
                        default_config(scenario, key, restarts=RESTARTS.get(scenario, 1), knobs=knobs),
                    )
