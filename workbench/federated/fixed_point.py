"""Real numbers as integers that can be added in a ring, and back.

The code of Flower's SecAgg+: cut to ±8, 2²² levels, sums modulo 2³². Each number is off by half a level, 1.9e-6, at most.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

CLIP, LEVELS, MODULUS = 8.0, 2**22, 2**32
Integers = npt.NDArray[np.uint32]


def encoded(vector: Tensor) -> Integers:
    """Return a vector (n,) as integers 0 to 2²² − 1, (n,)."""
    scaled = (vector.double().clamp(-CLIP, CLIP) + CLIP) * ((LEVELS - 1) / (2 * CLIP))
    return scaled.round().numpy().astype(np.uint32)


def decoded(total: Integers, count: int) -> Tensor:
    """Return the sum (n,) that integers (n,) are, of the codes of `count` vectors; at most 1,024 of them."""
    return torch.from_numpy(total.astype(np.float64)) * (2 * CLIP / (LEVELS - 1)) - count * CLIP
