"""Homomorphic aggregation by CKKS: the server adds ciphertexts and cannot open them; participants can.

Cheon, Kim, Kim and Song, ASIACRYPT 2017, https://eprint.iacr.org/2016/421, through the package `tenseal`: polynomials of degree 8,192,
4,096 numbers a ciphertext, whose modulus is one prime of 60 bits, since nothing but sums is asked of it (the second prime makes keys).
All participants hold one key, so none may see another's ciphertext.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.federated.protocols.base import PROTOCOLS, ProtocolInfo, Summed, those_left
from workbench.federated.protocols.packages import package

DEGREE, SLOTS, SCALE, PRIMES = 8192, 4096, 2.0**40, [60, 60]
BOUND = 1e3  # 2⁶⁰ over the scale, less room for the sum of a hundred


@PROTOCOLS.register(
    ProtocolInfo(
        key="ckks",
        title="Homomorphic, CKKS",
        order=3,
        paper="Cheon et al., ASIACRYPT 2017",
        summary="The server adds ciphertexts that it cannot open.",
        package="tenseal",
    )
)
@dataclass(frozen=True)
class CKKS:
    def sum(
        self, vectors: Mapping[int, Tensor], gone: frozenset[int] = frozenset(), *, round_: int = 1, seed: int = 0
    ) -> Summed:
        """Return the sum of vectors (n,), about 1e-8 off for each number of size 1."""
        left = those_left(vectors, gone, BOUND)
        ts = package("tenseal", "CKKS")
        symmetric = ts.ENCRYPTION_TYPE.SYMMETRIC  # who sends holds the key, and encrypts twice as fast with it
        key, server = (
            ts.context(ts.SCHEME_TYPE.CKKS, DEGREE, coeff_mod_bit_sizes=PRIMES, encryption_type=symmetric)
            for _ in range(2)  # the server has the parameters, and a key of its own that opens nothing of this
        )
        key.global_scale = server.global_scale = SCALE
        size, sums = 0, []
        length = len(vectors[left[0]])
        for begin in range(0, length, SLOTS):
            parts = [ts.ckks_vector(key, vectors[p][begin : begin + SLOTS].double().tolist()).serialize() for p in left]
            size += len(parts[0])
            added = ts.ckks_vector_from(server, parts[0])
            for part in parts[1:]:
                added += ts.ckks_vector_from(server, part)
            sums.append(added.serialize())
        opened = [number for text in sums for number in ts.ckks_vector_from(key, text).decrypt()]
        received = sum(len(text) for text in sums)
        return Summed(torch.tensor(opened, dtype=torch.float64), left, None, size, received)
