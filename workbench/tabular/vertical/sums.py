"""What the party with the labels sends of each record, and how the other adds it up: in the clear, or under Paillier.

Gradients are whole numbers of 2⁻²⁰, and a sum of such is exact, so that both ways give the same trees to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from workbench.federated.protocols.packages import package
from workbench.tabular.table import Array

Whole = npt.NDArray[np.int64]
LEVELS, SLOT = 2**20, 64  # of 1; bits of each of the three sums in a plaintext


def whole(values: Array) -> Whole:
    """Return numbers between −1 and 1 as integers, of the same shape."""
    return (values * LEVELS).round().astype(np.int64)


class Sums(Protocol):
    """Carries (g, h) of every record to the other party, and sums of them back."""

    sent: int
    received: int

    def send(self, g: Whole, h: Whole) -> Any:
        """Return what the other party gets of gradients (N,) and curvatures (N,)."""
        ...

    def add(self, sent: Any, groups: Sequence[Whole]) -> Any:
        """Return the sums over groups of records, as the other party computes them: for each the numbers of its records."""
        ...

    def open(self, summed: Any) -> Whole:
        """Return (groups, 3): how many records, Σg and Σh of each."""
        ...


@dataclass
class Clear:
    """No protection: what the encrypted way must equal."""

    sent: int = 0
    received: int = 0

    def send(self, g: Whole, h: Whole) -> Whole:
        self.sent += 16 * len(g)
        return np.stack([np.ones_like(g), g, h], 1)

    def add(self, sent: Whole, groups: Sequence[Whole]) -> Whole:
        return np.array([sent[rows].sum(0) for rows in groups], dtype=np.int64).reshape(-1, 3)

    def open(self, summed: Whole) -> Whole:
        self.received += 24 * len(summed)
        return summed


@dataclass
class Encrypted:
    """Paillier's cryptosystem through the package `phe`: one ciphertext a record, with its count, g and h side by side.

    Attributes:
        bits: of the modulus.
        sent, received: bytes of the party with the labels.
    """

    bits: int = 2048
    sent: int = 0
    received: int = 0
    _keys: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._keys = package("phe", "SecureBoost").generate_paillier_keypair(n_length=self.bits)

    def send(self, g: Whole, h: Whole) -> list[int]:
        # A gradient may be negative: LEVELS is added to each, and taken off again by the count.
        texts = [(1 << 2 * SLOT) | (int(a) + LEVELS) << SLOT | int(b) for a, b in zip(g, h, strict=True)]
        self.sent += len(texts) * self.bits // 4
        return [self._keys[0].raw_encrypt(text) for text in texts]

    def add(self, sent: list[int], groups: Sequence[Whole]) -> list[int]:
        square, found = self._keys[0].nsquare, []
        for rows in groups:
            product = self._keys[0].raw_encrypt(0)  # fresh randomness: nobody can look up which records were multiplied
            for row in rows:
                product = product * sent[row] % square
            found.append(product)
        return found

    def open(self, summed: list[int]) -> Whole:
        self.received += len(summed) * self.bits // 4
        low = (1 << SLOT) - 1
        opened = [self._keys[1].raw_decrypt(text) for text in summed]
        rows = [(text >> 2 * SLOT, (text >> SLOT) & low, text & low) for text in opened]
        return np.array([(n, g - n * LEVELS, h) for n, g, h in rows], dtype=np.int64).reshape(-1, 3)
