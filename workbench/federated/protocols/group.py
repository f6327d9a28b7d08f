"""The group of prime order in Curve25519 in the form of Edwards, and small discrete logarithms in it.

Bernstein et al., CHES 2011, https://doi.org/10.1007/978-3-642-23951-9_9, through the package `pynacl`; points are 32 bytes.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

from workbench.federated.protocols.packages import package

ORDER = 2**252 + 27742317777372353535851937790883648493
ZERO = b"\x01" + bytes(31)
STEPS = 2**14  # baby steps on either side of nought


def curve() -> Any:
    """Return the functions of the curve; raises `DataMissing`."""
    return package("pynacl", "HybridAlpha", "nacl.bindings")


def scalar(seed: bytes, *words: object) -> int:
    """Return an integer modulo the order that a seed and words decide, as good as uniform."""
    text = seed + "|".join(map(str, words)).encode()
    return int.from_bytes(hashlib.sha512(text).digest(), "little") % ORDER


def times(number: int, point: bytes | None = None) -> bytes:
    """Return a multiple of a point, of the base where none is given."""
    number %= ORDER
    if number == 0:
        return ZERO
    text = number.to_bytes(32, "little")
    if point is None:
        return bytes(curve().crypto_scalarmult_ed25519_base_noclamp(text))
    return bytes(curve().crypto_scalarmult_ed25519_noclamp(text, point))


def plus(a: bytes, b: bytes) -> bytes:
    return bytes(curve().crypto_core_ed25519_add(a, b))


def minus(a: bytes, b: bytes) -> bytes:
    return bytes(curve().crypto_core_ed25519_sub(a, b))


def unsigned(point: bytes) -> bytes:
    """Return what a point and its negative share."""
    return point[:31] + bytes([point[31] & 0x7F])


@lru_cache(1)
def baby_steps() -> dict[bytes, int]:
    """Return the numbers 0 to `STEPS` by the points that they give."""
    found, point, base = {unsigned(ZERO): 0}, ZERO, times(1)
    for number in range(1, STEPS + 1):
        point = plus(point, base)
        found[unsigned(point)] = number
    return found


def logarithm(point: bytes, most: int) -> int | None:
    """Return k, −`most` ≤ k ≤ `most`, with kG = `point`, or None: Shanks's baby and giant steps, outwards from nought."""
    small, stride = baby_steps(), 2 * STEPS + 1
    giant, up, down = times(stride), point, point
    for far in range(most // stride + 2):
        for here, sign in ((up, 1), (down, -1)) if far else ((point, 1),):
            if (rest := small.get(unsigned(here))) is not None:
                rest = rest if times(rest) == here else -rest
                return rest + sign * far * stride
        up, down = minus(up, giant), plus(down, giant)
    return None
