"""The contract of a split: from labels to what each participant holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from workbench.core.registry import Info, Registry

# From labels (N,), the number of participants, the concentration and randomness to the rows that each holds.
Split = Callable[[Tensor, int, float, torch.Generator], list[Tensor]]
SplitT = TypeVar("SplitT", bound=Split)

SPLITS: Registry[Split, Info] = Registry("split", "workbench.federated.splits")


def split(key: str, *, title: str, order: int = 100) -> Callable[[SplitT], SplitT]:
    """Register a function that divides rows among participants, each row to one of them.

    It is given labels (N,), the number of participants P, a concentration above 0 that it need not use, and a
    generator; it returns P tensors of row numbers, sorted, of which some may be empty.
    """

    def keep(function: SplitT) -> SplitT:
        SPLITS.register(Info(key=key, title=title, order=order))(function)
        return function

    return keep


def choices() -> dict[str, str]:
    """Return the title of each split by its key."""
    return {entry.key: entry.title for entry in SPLITS}
