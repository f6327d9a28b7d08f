"""HybridAlpha: functional encryption, so that the server can open a sum of updates and nothing else.

Xu, Baracaldo, Zhou, Anwar and Ludwig, AISec 2019, https://arxiv.org/abs/1912.05897, sections 3 and 4, with the multi-input scheme for
inner products of Abdalla et al., CRYPTO 2018, https://eprint.iacr.org/2017/972, under DDH: a number x of participant i is
c = (x + u + r⟨W, (1, a)⟩) G beside t = (rG, raG), where the third party, who alone knows W and a, gave it u and ⟨W, (1, a)⟩. For a sum it
gives the server every W and the sum of the u; from Σ c − Σ Wt − (Σu) G = (Σx) G the server reads a small logarithm. It gives a
key for enough participants or none, and once a round: two keys would give their difference, which may be one participant.

Each participant's noise of differential privacy is there before it encrypts (`privacy=client`), as in the paper.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from workbench.federated.protocols.base import PROTOCOLS, ProtocolInfo, Refused, Summed, TooFewLeft, those_left
from workbench.federated.protocols.group import ORDER, logarithm, minus, plus, scalar, times

BOUND, LEVELS = 8.0, 2**16  # levels in 1: each number is off by 7.6e-6 at most
SIZE = 32  # bytes of a scalar, a point, a seed

Key = tuple[dict[int, list[tuple[int, int]]], list[int]]  # every W, and the sum of the u, for each number


@dataclass
class Authority:
    """The third party: knows the secrets of a round, and no update.

    Attributes:
        threshold: fewest participants for whose sum it gives a key.
    """

    round: int
    threshold: int
    _a: int = field(default_factory=lambda: secrets.randbelow(ORDER - 1) + 1)
    _seeds: dict[int, bytes] = field(default_factory=dict)
    _answered: bool = False

    @property
    def public(self) -> bytes:
        return times(self._a)

    def seed(self, participant: int) -> bytes:
        """Return what participant's u and ⟨W, (1, a)⟩ follow from."""
        return self._seeds.setdefault(participant, secrets.token_bytes(SIZE))

    def key(self, participants: frozenset[int], length: int, round_: int) -> Key:
        """Return the key for the sum of vectors (n,), n = `length`.

        Raises:
            Refused: too few participants, another round, or a second key of this one.
        """
        if round_ != self.round:
            raise Refused(f"The third party is asked for a key of round {round_}; this is round {self.round}.")
        if len(participants) < self.threshold:
            raise Refused(
                f"The third party is asked for a key to the sum of {len(participants)}; it gives none below {self.threshold}."
            )
        if self._answered:
            raise Refused(f"The third party has given its key of round {self.round} already.")
        self._answered = True
        parts, pads = {}, [0] * length
        for p in sorted(participants):
            seed, rows = self.seed(p), []
            for j in range(length):
                second = secrets.randbelow(ORDER)
                rows.append(((scalar(seed, "w", j) - self._a * second) % ORDER, second))
                pads[j] = (pads[j] + scalar(seed, "u", j)) % ORDER
            parts[p] = rows
        return parts, pads


def encrypted(numbers: npt.NDArray[np.int64], seed: bytes, public: bytes) -> tuple[tuple[bytes, bytes], list[bytes]]:
    """Return (rG, raG) and the ciphertext of each of integers (n,)."""
    r = secrets.randbelow(ORDER - 1) + 1
    points = [times(int(x) + scalar(seed, "u", j) + r * scalar(seed, "w", j)) for j, x in enumerate(numbers)]
    return (times(r), times(r, public)), points


@PROTOCOLS.register(
    ProtocolInfo(
        key="hybrid-alpha",
        title="Functional encryption, HybridAlpha",
        order=5,
        paper="Xu et al., AISec 2019",
        summary="A third party gives the server a key that opens the sum of enough participants, and nothing else.",
        package="pynacl",
        module="nacl",
        most=10_000,
    )
)
@dataclass(frozen=True)
class HybridAlpha:
    """Attributes: threshold: share of the participants for whose sum a key is given at least."""

    threshold: float = 2 / 3

    def sum(
        self, vectors: Mapping[int, Tensor], gone: frozenset[int] = frozenset(), *, round_: int = 1, seed: int = 0
    ) -> Summed:
        """Return the sum of vectors (n,), each number 7.6e-6 off at most for each who is left."""
        left = those_left(vectors, gone, BOUND)
        authority = Authority(round_, max(2, int(np.ceil(self.threshold * len(vectors)))))
        length = len(next(iter(vectors.values())))
        sent = {
            p: encrypted((vectors[p].double() * LEVELS).round().long().numpy(), authority.seed(p), authority.public)
            for p in left
        }
        try:
            parts, pads = authority.key(frozenset(left), length, round_)
        except Refused as error:
            raise TooFewLeft(f"{error} The round is lost.") from None
        total = []
        for j in range(length):
            point = reduce(plus, (sent[p][1][j] for p in left))
            blind = [times(parts[p][j][k], sent[p][0][k]) for p in left for k in (0, 1)]
            found = logarithm(minus(minus(point, reduce(plus, blind)), times(pads[j])), int(BOUND * LEVELS * len(left)))
            if found is None:
                raise Refused("The sum cannot be read: somebody encrypted for another round.")
            total.append(found / LEVELS)
        size = SIZE * (length + 2)
        return Summed(torch.tensor(total, dtype=torch.float64), left, None, size, 4 * length + 2 * SIZE)
