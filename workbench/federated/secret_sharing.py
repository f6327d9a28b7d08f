"""Shamir's secret sharing: any t of n shares give a secret back, fewer tell nothing.

Shamir, Communications of the ACM 1979, https://doi.org/10.1145/359168.359176, over the field of the Mersenne
prime 2⁵²¹ − 1, in which 32 bytes fit.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

PRIME = 2**521 - 1


def shared(secret: bytes, holders: Sequence[int], threshold: int) -> dict[int, int]:
    """Return a share for each holder, `threshold` of which give the secret back; holders are numbered from 0."""
    coefficients = [int.from_bytes(secret, "big"), *(secrets.randbelow(PRIME) for _ in range(threshold - 1))]

    def at(x: int) -> int:
        value = 0
        for coefficient in reversed(coefficients):
            value = (value * x + coefficient) % PRIME
        return value

    return {holder: at(holder + 1) for holder in holders}


def recovered(shares: Mapping[int, int], length: int = 32) -> bytes:
    """Return the secret that shares by holder give, by Lagrange's polynomial at 0; noise where they are too few."""
    total = 0
    for i, share in shares.items():
        above, below = 1, 1
        for j in shares:
            if j != i:
                above, below = above * (j + 1) % PRIME, below * (j - i) % PRIME
        total = (total + share * above * pow(below, -1, PRIME)) % PRIME
    return (total % 2 ** (8 * length)).to_bytes(length, "big")
