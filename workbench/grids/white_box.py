"""White-box attacks on the undefended ResNet of each image scenario: on digits every one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workbench.attacks import ATTACKS
from workbench.engine.presets import default_config
from workbench.grids.base import Cell, grid

ONE_START, LOMMA = "cross-entropy, one start", "LOMMA"
# The paper's loss from one start, as against the demo preset's; and LOMMA's loss with its augmented models.
PLAIN: dict[str, Any] = {"identity_loss": "cross-entropy", "tries": 1, "shake": 0.0}
OPTIONS: dict[str, dict[str, dict[str, Any]]] = {
    "gmi": {
        ONE_START: {**PLAIN, "steps": 300, "lr": 0.03},
        LOMMA: {"identity_loss": "logit", "augment": 3},
    },
    "ked-mi": {ONE_START: PLAIN, LOMMA: {"identity_loss": "logit", "augment": 3}},
}
ROWS = (
    ("random", ""),
    ("mi-face", ""),
    ("pixel", ""),
    ("gmi", ""),
    ("gmi", ONE_START),
    ("gmi", LOMMA),
    ("ked-mi", ""),
    ("ked-mi", ONE_START),
    ("ked-mi", LOMMA),
    ("vmi", ""),
    ("ppa", ""),
    ("plg-mi", ""),
    ("mirror", ""),
    ("if-gmi", ""),
    ("ppdg-mi", ""),
    ("diffusion", ""),
)
# A ResNet of so few photographs gives no face away; what faces do is in the table of people, on another target.
FEWER = (
    ("random", ""),
    ("mi-face", ""),
    ("pixel", ""),
    ("gmi", ONE_START),
    ("ked-mi", ONE_START),
    ("plg-mi", ""),
    ("diffusion", ""),
)
RESTARTS = {"digits": 2}


@grid(
    "table-white-box",
    title="White-box attacks",
    text="Attacks with their demo presets on the ResNet that each scenario ships, seed 0: every digit twice, every person "
    "once.",
    order=1,
)
def white_box() -> Iterator[Cell]:
    for scenario, rows in (("digits", ROWS), ("faces", FEWER), ("lfw", FEWER)):
        for key, option in rows:
            title = ATTACKS.entry(key).title
            named = f"{title}, {option}" if "," in option else f"{title} + {option}"
            knobs = OPTIONS[key][option] if option else None
            config = default_config(scenario, key, restarts=RESTARTS.get(scenario, 1), knobs=knobs)
            yield Cell(named if option else title, scenario, config)
