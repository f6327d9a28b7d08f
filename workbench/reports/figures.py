"""Measures as a person reads them: names, units, and which way more has leaked."""

from __future__ import annotations

from workbench.metrics import METRICS

UNKNOWN = "–"


def number(metric: str, value: float | None) -> str:
    """Return a metric's value in its unit."""
    if value is None:
        return UNKNOWN
    unit = METRICS.entry(metric).info.unit if metric in METRICS else ""
    if unit == "share":
        return f"{100 * value:.0f} %"
    return f"{value:.3g}" + (f" {unit}" if unit == "dB" else "")


def arrow(metric: str) -> str:
    """Return which direction means that more leaked."""
    best = METRICS.entry(metric).info.best if metric in METRICS else ""
    return {"higher": "↑", "lower": "↓"}.get(best, "")


def metric_name(metric: str) -> str:
    """Return what a measure is called; one that is registered no more by its key."""
    return METRICS.entry(metric).title if metric in METRICS else metric
