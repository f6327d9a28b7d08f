"""The contract of an attribute inference: what it declares, what it is given, what it yields."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.core.knobs import knob
from workbench.core.records import Access, Frame
from workbench.core.registry import Info, Registry
from workbench.tabular.payload import Posteriors
from workbench.tabular.scenarios.base import Response
from workbench.tabular.table import Array, Column, DataTable, Marginal
from workbench.tabular.target import TableView

INFERENCES: Registry[type[Inference], InferenceInfo] = Registry("attribute inference", "workbench.tabular.attacks")

InferenceT = TypeVar("InferenceT", bound="type[Inference]")


@dataclass(frozen=True, eq=False)
class InferenceContext:
    """Everything an attack may know. True values of the sensitive attribute are not among it.

    Attributes:
        target: the model behind its threat model.
        known: (R, C) records as the attacker knows them, without the response; NaN where nothing is known.
        columns: what the C columns are.
        response: what the target predicts.
        answers: (R,) the true response of each record: numbers or codes.
        sensitive: which of the columns is inferred.
        unknown: other columns of which nothing is known.
        marginals: how every column is distributed, by its name.
        public: records of other people, with the sensitive attribute and the response.
        watched: (W,) the records that somebody looks at.
        rng: the only source of randomness.
        due: whether someone will look at a frame made at a step.
    """

    target: TableView
    known: Array
    columns: tuple[Column, ...]
    response: Response
    answers: Array
    sensitive: int
    unknown: tuple[int, ...]
    marginals: Mapping[str, Marginal]
    public: DataTable
    watched: NDArray[np.int64]
    rng: np.random.Generator
    due: Callable[[int], bool] = field(default=lambda step: True)

    @property
    def values(self) -> tuple[str, ...]:
        """What the sensitive attribute may be, V of them."""
        return self.columns[self.sensitive].values

    @property
    def prior(self) -> Array:
        """How likely each value is before anything is asked, (V,)."""
        return np.array(self.marginals[self.columns[self.sensitive].name].shares)

    def frame(self, step: int, total: int, shares: Array, asked: int, note: str = "") -> Frame:
        """Return a frame of posteriors (R, V), after `asked` of the V values were asked about."""
        told = torch.zeros(len(self.values), dtype=torch.bool)
        told[:asked] = True
        posterior = torch.from_numpy(normalised(shares).astype(np.float32))
        entropy = -(posterior * posterior.clamp(min=1e-9).log()).sum(1)
        payload = Posteriors(posterior, torch.from_numpy(self.watched), told)
        return Frame(step, total, payload, {"entropy": entropy}, self.target.queries, note)


def normalised(shares: Array) -> Array:
    """Return shares (R, V) as rows that sum to one; a row of nothing is as likely everywhere."""
    shares = shares.clip(0, None)
    total = shares.sum(1, keepdims=True)
    return np.where(total > 0, shares / np.where(total > 0, total, 1), 1 / shares.shape[1])


class Inference(Protocol):
    """An attack: a frozen dataclass whose knobs are its settings, those of `Whom` among them."""

    @property
    def records(self) -> int: ...

    @property
    def sensitive(self) -> str: ...

    @property
    def unknown(self) -> str: ...

    def run(self, ctx: InferenceContext) -> Iterator[Frame]:
        """Yield the guess before the first query, then a frame whenever one is due; the last one is the answer."""
        ...


@dataclass(frozen=True)
class Whom:
    """What every attack is told of its victims."""

    records: int = knob(5000, 1, 500_000, log=True, help="Private records that are attacked, the first of them.")
    sensitive: str = knob("", help="Column that is inferred; the scenario's own if empty.")
    unknown: str = knob("", help="Other columns that the attacker does not know, separated by commas.")


@dataclass(frozen=True, kw_only=True)
class InferenceInfo(Info):
    """What an attack says of itself.

    Attributes:
        access: what it asks of the target; None for a baseline that asks nothing.
        counts: whether it needs a decision tree whose counts it sees.
        confidences: whether it needs a target that tells classes with confidences, not a number.
    """

    access: Access | None
    paper: str
    summary: str
    departs: str = ""
    counts: bool = False
    confidences: bool = False

    @property
    def baseline(self) -> bool:
        return self.access is None

    @property
    def label(self) -> str:
        """Its name in the literature and its key."""
        return f"{self.title} ({self.key})"


def inference(
    key: str,
    *,
    title: str,
    access: Access | None,
    paper: str,
    summary: str,
    order: int = 100,
    departs: str = "",
    counts: bool = False,
    confidences: bool = False,
) -> Callable[[InferenceT], InferenceT]:
    """Register an attribute inference; the arguments are those of `InferenceInfo`."""
    info = InferenceInfo(
        key=key,
        title=title,
        order=order,
        access=access,
        paper=paper,
        summary=summary,
        departs=departs,
        counts=counts,
        confidences=confidences,
    )

    def keep(cls: InferenceT) -> InferenceT:
        INFERENCES.register(info)(cls)
        return cls

    return keep
