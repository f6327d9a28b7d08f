"""Every white-box attack on the undefended ResNet of each image scenario."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workbench.attacks import ATTACKS
from workbench.engine.presets import default_config
from workbench.grids.base import Cell, grid

ROWS = (
    "random",
    "mi-face",
    "pixel",
    "gmi",
    "ked-mi",
    "vmi",
    "ppa",
    "plg-mi",
    "mirror",
    "if-gmi",
    "ppdg-mi",
    "diffusion",
)
RESTARTS = {"digits": 4}
# The paper's loss from one start, as against the demo preset's; and LOMMA's loss with its augmented models.
PLAIN: dict[str, Any] = {"identity_loss": "cross-entropy", "tries": 1, "shake": 0.0}
OPTIONS: dict[str, dict[str, dict[str, Any]]] = {
    "gmi": {
        "cross-entropy, one start": {**PLAIN, "steps": 300, "lr": 0.03},
        "LOMMA": {"identity_loss": "logit", "augment": 3},
    },
    "ked-mi": {"cross-entropy, one start": PLAIN, "LOMMA": {"identity_loss": "logit", "augment": 3}},
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
            for name, knobs in OPTIONS.get(key, {}).items():
                yield Cell(
                    f"{entry.title}, {name}" if "," in name else f"{entry.title} + {name}",
                    scenario,
                    default_config(scenario, key, restarts=RESTARTS.get(scenario, 1), knobs=knobs),
                )
