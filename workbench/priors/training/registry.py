"""What can train a prior: a function from a setting to a trainer, filed under the prior's key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from workbench.core.registry import Info, Registry
from workbench.priors.base import Setting
from workbench.priors.training.loop import Trainer

MakeTrainer = Callable[[Setting, Mapping[str, Any]], Trainer]

TRAINERS: Registry[MakeTrainer, Info] = Registry(
    "prior that is trained", "workbench.priors", "workbench.priors.training"
)


def trainer(key: str) -> Callable[[MakeTrainer], MakeTrainer]:
    """Register a function that returns what `workbench.priors.training.loop.train` runs for the prior `key`.

    It takes a `Setting` and overrides of the recipe's fields, such as a number of steps. A prior without one is brought
    along, not trained here.
    """
    return TRAINERS.register(Info(key=key, title=key))
