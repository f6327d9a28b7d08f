"""The contract of a protocol: from everybody's vector to their sum, with what it costs and what the server sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from workbench.core.errors import Failure, UsageError
from workbench.core.registry import Info, Registry


class TooFewLeft(Failure):
    """Fewer participants are left than the sum needs; the round is lost, and the next begins anew."""


class Refused(UsageError):
    """A participant refuses what it was asked, because the answer would give away a single update."""


@dataclass(frozen=True, eq=False)
class Summed:
    """What came of one round.

    Attributes:
        total: (n,) float64, the sum over those who are left.
        left: who they are, in order.
        seen: (n,) float64, what the server received of the first of them, read as if it were a vector; None where what
            it received cannot be read as numbers at all.
        sent: bytes that the participant who sent most has sent.
        received: bytes that it was sent.
    """

    total: Tensor
    left: list[int]
    seen: Tensor | None
    sent: int
    received: int


class Aggregation(Protocol):
    """Sums vectors; made for one round."""

    def sum(
        self, vectors: Mapping[int, Tensor], gone: frozenset[int] = frozenset(), *, round_: int = 1, seed: int = 0
    ) -> Summed:
        """Return the sum of the vectors (n,) of all who are not `gone`.

        Args:
            gone: who agreed to take part and then sent nothing.
            seed: of what may be repeated; keys come from the system's own randomness.

        Raises:
            TooFewLeft, Refused.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class ProtocolInfo(Info):
    """What a protocol says of itself.

    Attributes:
        package: what has to be installed for it beside the workbench; "" for nothing.
        module: the package's module, where it has another name.
        most: numbers in an update that one round can sum in some minutes; 0 for any.
        hides: whether the server sees no single update, so that it cannot look at them either.
    """

    paper: str
    summary: str
    package: str = ""
    module: str = ""
    most: int = 0
    hides: bool = True


PROTOCOLS: Registry[type[Aggregation], ProtocolInfo] = Registry("protocol", "workbench.federated.protocols")


def those_left(vectors: Mapping[int, Tensor], gone: frozenset[int], bound: float) -> list[int]:
    """Return who are left, in order, once each one's own software has looked at its vector (n,) before it hides it.

    Raises:
        Refused: numbers that are not finite, or beyond ±`bound`; nobody can look afterwards.
    """
    left = [number for number in sorted(vectors) if number not in gone]
    for number in left:
        if not torch.isfinite(vectors[number]).all():
            raise Refused(f"Participant {number} has NaN or infinite numbers in its update, which cannot be encoded.")
        if vectors[number].abs().max() > bound:
            raise Refused(f"Participant {number} has numbers beyond ±{bound:g} in its update, which the code cuts off.")
    return left
