"""What two runs set differently, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.core.records import RunConfig
from workbench.reports.figures import UNKNOWN

SETTINGS = {
    "budget": "query limit",
    "restarts": "tries per class",
    "asks": "asks per question",
    "fork": "begun from",
}


def differences(a: RunConfig, b: RunConfig) -> list[tuple[str, str, str]]:
    """Return what two configurations set differently: name in words, first, second."""
    left, right = ({**c.to_json(), **{f"knob {k}": v for k, v in c.knobs.items()}} for c in (a, b))
    names = [name for name in {**left, **right} if name != "knobs" and left.get(name) != right.get(name)]
    return [(setting(name), written(left.get(name)), written(right.get(name))) for name in names]


def setting(name: str) -> str:
    """Return a setting's name in words."""
    return SETTINGS.get(name, name).replace("_", " ")


def written(value: Any) -> str:
    """Return a setting's value as a person writes it."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {inner}" for name, inner in value.items())
    return str(value)
