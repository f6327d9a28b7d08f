"""No protection: everybody sends what it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from workbench.federated.protocols.base import PROTOCOLS, ProtocolInfo, Summed

FLOAT = 4  # bytes


@PROTOCOLS.register(
    ProtocolInfo(
        key="plain",
        title="Plain",
        order=1,
        paper="McMahan et al., AISTATS 2017",
        summary="The server sees every update.",
        hides=False,
    )
)
@dataclass(frozen=True)
class Plain:
    def sum(
        self, vectors: Mapping[int, Tensor], gone: frozenset[int] = frozenset(), *, round_: int = 1, seed: int = 0
    ) -> Summed:
        """Return the sum of vectors (n,)."""
        left = [number for number in sorted(vectors) if number not in gone]
        first = vectors[left[0]].double()
        total = sum((vectors[number].double() for number in left[1:]), start=first)
        size = FLOAT * len(first)
        return Summed(total, left, first, size, size)
