"""No defense: the target as trained."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.defenses.base import Defense, defense


@defense(
    "none",
    title="No defense",
    stage="none",
    paper="Baseline",
    order=0,
    summary="The target answers with its full confidence vector.",
)
@dataclass(frozen=True)
class NoDefense(Defense):
    pass
