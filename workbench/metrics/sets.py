"""Measures of a set of reconstructions as a whole: no picture has one of its own, and so their intervals are drawn by lot.

A new one is a function from `Judged` to a number, registered with `set_metric` in any file of this package.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch

from workbench.core.intervals import Interval
from workbench.core.registry import Registry
from workbench.metrics.base import METRICS, Judged, MetricInfo, known

SetMetric = Callable[[Judged], float | None]
SetMetricT = TypeVar("SetMetricT", bound=SetMetric)

SET_METRICS: Registry[SetMetric, SetMetricInfo] = Registry("measure of a set", "workbench.metrics")
DRAWS = 200  # resamples of an interval; Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 6.4


@dataclass(frozen=True, kw_only=True)
class SetMetricInfo(MetricInfo):
    """What a measure of a set says of itself.

    Attributes:
        resampled: whether it gets an interval; not where pictures drawn twice would change it by that alone.
    """

    resampled: bool


@dataclass(frozen=True)
class SetFigure:
    """A measure of a set of n pictures.

    Attributes:
        value: None where it says nothing of so few.
        interval: 95 % of resamples of persons lie in it, each with all its pictures; None for fewer than two persons.
    """

    value: float | None
    interval: Interval | None
    n: int


def set_metric(
    key: str,
    *,
    title: str,
    unit: str,
    best: Literal["higher", "lower"],
    compares: str,
    source: str,
    resampled: bool = False,
    order: int = 100,
) -> Callable[[SetMetricT], SetMetricT]:
    """Register a function from `Judged` to a number, or None where it says nothing; arguments as of `SetMetricInfo`."""
    info = SetMetricInfo(
        key=key, title=title, order=order, unit=unit, best=best, compares=compares, source=source, resampled=resampled
    )

    def keep(function: SetMetricT) -> SetMetricT:
        SET_METRICS.register(info)(function)
        return function

    return keep


def info_of(key: str) -> MetricInfo | None:
    """Return what a measure of pictures or of a set says of itself; None for one that is not registered."""
    for registry in (METRICS, SET_METRICS):
        if key in registry:
            return registry.entry(key).info
    return None


def figures_of_set(judged: Judged) -> dict[str, SetFigure]:
    """Return every registered measure of the pictures under judgement."""
    found = {}
    for entry in SET_METRICS:
        value = known(entry.item, judged)
        resampled = entry.info.resampled and value is not None
        found[entry.key] = SetFigure(value, bootstrap(entry.item, judged) if resampled else None, len(judged.labels))
    return found


def bootstrap(measure: SetMetric, judged: Judged, draws: int = DRAWS) -> Interval | None:
    """Return the 2.5 and 97.5 % quantiles of a measure over resamples of persons; None for fewer than two persons.

    Persons are drawn, each with all its pictures: several tries at one person are no independent trials.
    """
    rows = [(judged.labels == c).nonzero()[:, 0] for c in judged.labels.unique()]
    if len(rows) < 2:
        return None
    rng, values = torch.Generator().manual_seed(0), []
    for _ in range(draws):
        drawn = torch.randint(len(rows), (len(rows),), generator=rng).tolist()
        value = measure(judged.rows(torch.cat([rows[person] for person in drawn])))
        if value is not None:
            values.append(value)
    if len(values) < draws / 2:
        return None
    low, high = torch.tensor(values, dtype=torch.double).quantile(torch.tensor([0.025, 0.975], dtype=torch.double))
    return low.item(), high.item()
