"""Differential privacy of a table's target: the text that names it, and what is known of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from workbench.core.errors import UnknownName, UsageError
from workbench.core.knobs import configure, knob

PART = re.compile(r"([\w-]+)(?:\(([^()]*)\))?")


@dataclass(frozen=True)
class DifferentialPrivacy:
    """Training that hides every single record; ``dp(epsilon=1)`` on the command line."""

    epsilon: float = knob(1.0, 0.05, 1000.0, log=True, help="Privacy budget: the less, the more noise.")

    def __str__(self) -> str:
        return f"dp(epsilon={self.epsilon:g})"


def protection_of(text: str) -> DifferentialPrivacy | None:
    """Return what a text such as ``dp(epsilon=1)`` names, None for "none".

    Raises:
        UnknownName, UsageError, KnobError.
    """
    if text in ("", "none"):
        return None
    found = PART.fullmatch(text.strip())
    if found is None or found[1] != "dp":
        raise UnknownName("defense of table targets", text, ["none", "dp"])
    values = {}
    for pair in filter(None, (found[2] or "").split(",")):
        name, sign, value = pair.partition("=")
        if not sign:
            raise UsageError(f"'{pair.strip()}' in '{text}' has no value. Write it as dp(epsilon=1).")
        values[name.strip()] = value.strip()
    return configure(DifferentialPrivacy, values)
