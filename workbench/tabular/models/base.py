"""What a model of tables is: it learns from features and tells a class with its confidence, or a number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from workbench.core.registry import Info, Registry
from workbench.tabular.encoding import Features
from workbench.tabular.table import Array, Codes


class TableModel(Protocol):
    """Learns from features (N, D) in [0, 1] and classes (N,)."""

    def fit(self, features: Features, classes: Codes, count: int, seed: int) -> TableModel:
        """Learn; `count` is the number of classes."""
        ...

    def scores(self, features: Features) -> Array:
        """Return the confidence in every class, (N, K)."""
        ...


class Regression(Protocol):
    """Learns a number from features (N, D) in [0, 1]."""

    def fit(self, features: Features, values: Array) -> Regression: ...

    def values(self, features: Features) -> Array:
        """Return the predicted number, (N,)."""
        ...


@dataclass(frozen=True, kw_only=True)
class ModelInfo(Info):
    """What a model says of itself.

    Attributes:
        regresses: whether it predicts a number where the response is one; all others tell its group.
        counts: whether it keeps how many records reached each part of it, as a decision tree does.
        private: how it can be trained with differential privacy, in words; "" where it cannot.
    """

    summary: str
    regresses: bool = False
    counts: bool = False
    private: str = ""


MODELS: Registry[type[TableModel], ModelInfo] = Registry("target", "workbench.tabular.models")

ModelT = TypeVar("ModelT", bound="type[TableModel]")


def model(
    key: str,
    *,
    title: str,
    summary: str,
    order: int = 100,
    regresses: bool = False,
    counts: bool = False,
    private: str = "",
) -> Callable[[ModelT], ModelT]:
    """Register a model; the arguments are those of `ModelInfo`."""
    info = ModelInfo(
        key=key, title=title, order=order, summary=summary, regresses=regresses, counts=counts, private=private
    )

    def keep(cls: ModelT) -> ModelT:
        MODELS.register(info)(cls)
        return cls

    return keep
