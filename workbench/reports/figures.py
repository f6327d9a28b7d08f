"""Measures as a person reads them: names, units, and which way more has leaked."""

from __future__ import annotations

from workbench.metrics.sets import info_of

UNKNOWN = "–"


def number(metric: str, value: float | None) -> str:
    """Return a metric's value in its unit."""
    if value is None:
        return UNKNOWN
    info = info_of(metric)
    if info is not None and info.unit == "share":
        return f"{100 * value:.0f} %"
    return f"{value:.3g}" + (" dB" if info is not None and info.unit == "dB" else "")


def arrow(metric: str) -> str:
    """Return which direction means that more leaked."""
    info = info_of(metric)
    return "" if info is None else {"higher": "↑", "lower": "↓"}[info.best]


def metric_name(metric: str) -> str:
    """Return what a measure is called; one that is registered no more by its key."""
    info = info_of(metric)
    return metric if info is None else info.title
