"""Training a table's target; the same records, model and seed give the same target."""

from __future__ import annotations

import numpy as np

from workbench.core.errors import Incompatible
from workbench.tabular.encoding import encoder_of
from workbench.tabular.models import MODELS
from workbench.tabular.models.linear import LeastSquares
from workbench.tabular.privacy.dp_sgd import private_perceptron
from workbench.tabular.privacy.functional import private_regression
from workbench.tabular.protection import DifferentialPrivacy
from workbench.tabular.scenarios.base import Response
from workbench.tabular.table import Array, Column, DataTable
from workbench.tabular.target import TrainedTarget


def train(
    private: DataTable,
    response: Response,
    key: str,
    protection: DifferentialPrivacy | None = None,
    seed: int = 0,
    public: DataTable | None = None,
) -> TrainedTarget:
    """Return the target `key`, trained on private records.

    Args:
        public: records on which the errors of a private target are measured, for those on its own records would tell more
            than it may; its own records if None.

    Raises:
        UnknownName: there is no such target.
        Incompatible: it cannot be trained with differential privacy.
    """
    info, cls = MODELS.entry(key).info, MODELS[key]
    if protection is not None and (problem := protection_problem(key, response, private.columns)):
        raise Incompatible([problem])
    table = private.without(response.name)
    encoder = encoder_of(table.columns)
    features, answers = encoder.encode(table.data), private.of(response.name)
    classes, count = response.grouped(answers), len(response.classes)
    if info.regresses and response.is_number:
        values = np.sqrt(answers) if response.root else answers
        column = private.column(response.name)
        low, high = np.sqrt([column.low, column.high]) if response.root else (column.low, column.high)
        regression = (
            LeastSquares().fit(features, values)
            if protection is None
            else private_regression(features, values, (float(low), float(high)), protection.epsilon, seed)
        )
        limits = (column.low, column.high) if column.public_range else None
        target = TrainedTarget(encoder, response, regression, limits=limits)
    elif protection is not None:
        target = TrainedTarget(
            encoder, response, private_perceptron(features, classes, count, protection.epsilon, seed)
        )
    else:
        target = TrainedTarget(encoder, response, cls().fit(features, classes, count, seed))
    measure_errors(target, public if protection is not None and public is not None else private)
    return target


def measure_errors(target: TrainedTarget, records: DataTable) -> None:
    """Set what the owner publishes of a target's errors: confusion of classes, and deviation of a regression."""
    response, rows = target.response, records.without(target.response.name).data
    answers = records.of(response.name)
    target.confusion = confusion_of(response.grouped(answers), target.labels(rows), len(response.classes))
    if target.regression:
        values = np.sqrt(answers) if response.root else answers
        target.spread = float(np.std(values - target.values(rows))) or 1.0


def confusion_of(true: np.ndarray, told: np.ndarray, count: int) -> Array:
    """Return the share of records of class i that are told to be class j, (K, K), each pair counted one record more."""
    counts = np.bincount(true * count + told, minlength=count * count).reshape(count, count) + 1.0
    return counts / counts.sum(1, keepdims=True)


def protection_problem(key: str, response: Response, columns: tuple[Column, ...] = ()) -> str | None:
    """Return why a target cannot be trained with differential privacy, or None."""
    info = MODELS.entry(key).info
    if not info.private or (info.regresses and not response.is_number):
        able = " or ".join(e.key for e in MODELS if e.info.private and (not e.info.regresses or response.is_number))
        return f"{info.title} cannot be trained with differential privacy here. Choose the target {able}."
    if open_ranges := [c.name for c in columns if c.is_number and not c.public_range]:
        return (
            f"Differential privacy needs ranges that were known before any record was seen; those of "
            f"{', '.join(open_ranges[:4])} were read from the records. Only the warfarin scenario declares them."
        )
    return None


def facts(target: TrainedTarget, public: DataTable) -> dict[str, float]:
    """Return how good a target is on records that it never saw: accuracy, and a regression's mean error in its unit."""
    table, answers = public.without(target.response.name), public.of(target.response.name)
    told = target.labels(table.data)
    found = {"accuracy": float((told == target.response.grouped(answers)).mean())}
    if target.regression:
        off = target.natural(target.values(table.data)) - answers
        within = np.abs(off) <= 0.2 * answers
        found |= {"mean_error": float(np.abs(off).mean()), "within_20_percent": float(within.mean())}
    return found
