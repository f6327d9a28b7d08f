"""Homomorphic aggregation by Paillier's cryptosystem: products of ciphertexts are sums of what they hold.

Paillier, EUROCRYPT 1999, https://doi.org/10.1007/3-540-48910-X_16, through the package `phe`. Numbers are coded as for masks, 32 bits
each, and packed into one plaintext as densely as it holds (Zhang et al., BatchCrypt, USENIX ATC 2020, section 4): 63 in 2,048 bits.
All participants hold one private key, so none may see another's ciphertext. `gmpy2`
beside it makes it some three times as fast.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from workbench.federated.fixed_point import CLIP, Integers, decoded, encoded
from workbench.federated.protocols.base import PROTOCOLS, ProtocolInfo, Summed, those_left
from workbench.federated.protocols.packages import package

SLOT = 32  # bits: 22 of the code, ten for the sum of up to 1,024 participants


@PROTOCOLS.register(
    ProtocolInfo(
        key="paillier",
        title="Homomorphic, Paillier",
        order=4,
        paper="Paillier, EUROCRYPT 1999",
        summary="The server multiplies ciphertexts that it cannot open; their product holds the sum.",
        package="phe",
        most=100_000,
    )
)
@dataclass(frozen=True)
class Paillier:
    """Attributes: bits: of the modulus."""

    bits: int = 2048

    @property
    def packed(self) -> int:
        """How many numbers a ciphertext holds."""
        return (self.bits - 2) // SLOT

    def sum(
        self, vectors: Mapping[int, Tensor], gone: frozenset[int] = frozenset(), *, round_: int = 1, seed: int = 0
    ) -> Summed:
        """Return the sum of vectors (n,), each number within half a level of the code for each who is left."""
        left = those_left(vectors, gone, CLIP)
        public, private = package("phe", "Paillier").generate_paillier_keypair(n_length=self.bits)
        added: list[int] = []
        for p in left:
            sent = [public.raw_encrypt(whole) for whole in self.wholes(encoded(vectors[p]))]
            added = [a * b % public.nsquare for a, b in zip(added, sent, strict=True)] if added else sent
        total = self.numbers([private.raw_decrypt(c) for c in added], len(vectors[left[0]]))
        size = len(added) * self.bits // 4
        return Summed(decoded(total, len(left)), left, None, size, size)

    def wholes(self, numbers: Integers) -> list[int]:
        """Return integers (n,) as plaintexts, the first number in the lowest bits."""
        parts = [numbers[begin : begin + self.packed] for begin in range(0, len(numbers), self.packed)]
        return [int.from_bytes(part.astype("<u4").tobytes(), "little") for part in parts]

    def numbers(self, wholes: list[int], count: int) -> Integers:
        """Return the integers (n,), n = `count`, that plaintexts hold."""
        text = b"".join(whole.to_bytes(self.packed * SLOT // 8, "little") for whole in wholes)
        return np.frombuffer(text, dtype="<u4")[:count].astype(np.uint32)
