"""Secure aggregation by pairwise masks that cancel in the sum, with participants who drop out.

Bonawitz et al., CCS 2017, https://doi.org/10.1145/3133956.3133982, Figure 4. Every two agree on a seed (X25519), from which one adds
and the other subtracts the same stream (ChaCha20); each adds a stream of its own besides. Seeds are shared among all (Shamir),
encrypted for each holder. Of those who are left the server learns the own seed, of those who are gone the pairwise ones; who is
asked for both refuses, and so does who would be left with fewer than the threshold.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from torch import Tensor

from workbench.federated.fixed_point import CLIP, Integers, decoded, encoded
from workbench.federated.protocols.base import PROTOCOLS, ProtocolInfo, Refused, Summed, TooFewLeft, those_left
from workbench.federated.secret_sharing import recovered, shared

KEY, SHARE = 32, 66  # bytes of a public key, of which each has two, and of a share


def stream(seed: bytes, round_: int, length: int) -> Integers:
    """Return the mask (n,) of a seed in a round, uniform modulo 2³²; another round has another."""
    nonce = round_.to_bytes(16, "little")
    encryptor = Cipher(algorithms.ChaCha20(hashlib.sha256(b"mask" + seed).digest(), nonce), mode=None).encryptor()
    return np.frombuffer(encryptor.update(bytes(4 * length)), dtype="<u4").astype(np.uint32)


@dataclass
class Masker:
    """One participant's side of a round.

    Attributes:
        threshold: fewest participants of whom it helps to make a sum.
    """

    number: int
    round: int
    threshold: int
    _private: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)
    _sealing: X25519PrivateKey = field(
        default_factory=X25519PrivateKey.generate
    )  # never shared, as the one for masks is
    _own: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _keys: dict[int, bytes] = field(default_factory=dict)
    _held: dict[int, tuple[int, int]] = field(default_factory=dict)
    _answered: bool = False

    @property
    def public(self) -> bytes:
        """Both public keys: for masks, and for sealing."""
        return self._private.public_key().public_bytes_raw() + self._sealing.public_key().public_bytes_raw()

    def _agreed(self, private: X25519PrivateKey, public: bytes) -> bytes:
        return private.exchange(X25519PublicKey.from_public_bytes(public))

    def shares(self, keys: Mapping[int, bytes]) -> dict[int, bytes]:
        """Return for each other participant its shares of both secrets, sealed so that the server cannot read them."""
        if len(keys) < self.threshold:
            raise Refused(f"Participant {self.number} sees {len(keys)} participants; it needs {self.threshold}.")
        self._keys = dict(keys)
        private = self._private.private_bytes_raw()
        pairwise, own = (shared(secret, sorted(keys), self.threshold) for secret in (private, self._own))
        sealed = {}
        for other, key in keys.items():
            if other == self.number:
                self._held[other] = pairwise[other], own[other]
                continue
            text = pairwise[other].to_bytes(SHARE, "big") + own[other].to_bytes(SHARE, "big")
            sealed[other] = ChaCha20Poly1305(self._agreed(self._sealing, key[KEY:])).encrypt(
                self._nonce(self.number), text, None
            )
        return sealed

    def _nonce(self, sender: int) -> bytes:
        return self.round.to_bytes(8, "little") + sender.to_bytes(4, "little")

    def hold(self, sender: int, sealed: bytes) -> None:
        """Keep another's shares; raises `Refused` for what was not sealed for this round."""
        try:
            text = ChaCha20Poly1305(self._agreed(self._sealing, self._keys[sender][KEY:])).decrypt(
                self._nonce(sender), sealed, None
            )
        except Exception as error:  # the library's own type says no more
            raise Refused(
                f"Participant {self.number} cannot open what participant {sender} shared in round {self.round}."
            ) from error
        self._held[sender] = int.from_bytes(text[:SHARE], "big"), int.from_bytes(text[SHARE:], "big")

    def masked(self, vector: Tensor, round_: int) -> Integers:
        """Return a vector (n,) as the server gets it, (n,); raises `Refused` where the server speaks of another round."""
        if round_ != self.round:
            raise Refused(
                f"Participant {self.number} was told that this is round {round_}; it agreed on round {self.round}."
            )
        total = encoded(vector) + stream(self._own, self.round, len(vector))
        for other in self._held:
            if other != self.number:
                mask = stream(self._agreed(self._private, self._keys[other][:KEY]), self.round, len(vector))
                total = total + mask if other > self.number else total - mask
        return total

    def unmasked(self, left: frozenset[int], gone: frozenset[int]) -> tuple[dict[int, int], dict[int, int]]:
        """Return shares of the own seeds of those who are left, and of the keys of those who are gone; once a round.

        Raises:
            Refused: somebody is said to be both, too few are left, or it has answered already.
        """
        if left & gone:
            raise Refused(f"Participant {self.number} is asked for both secrets of participant {min(left & gone)}.")
        if len(left) < self.threshold:
            raise Refused(
                f"Participant {self.number} is asked to open a sum of {len(left)}; it needs {self.threshold}."
            )
        if self._answered:
            raise Refused(f"Participant {self.number} has opened round {self.round} already.")
        self._answered = True
        return {p: self._held[p][1] for p in left}, {p: self._held[p][0] for p in gone}


@PROTOCOLS.register(
    ProtocolInfo(
        key="masks",
        title="Secure aggregation",
        order=2,
        paper="Bonawitz et al., CCS 2017",
        summary="Masks that cancel in the sum; the server sees noise, and the sum.",
        package="cryptography",
    )
)
@dataclass(frozen=True)
class PairwiseMasks:
    """Attributes: threshold: share of the participants that must be left, above one half."""

    threshold: float = 2 / 3

    def needed(self, participants: int) -> int:
        """Return how many must be left of so many."""
        return max(2, int(np.ceil(self.threshold * participants)))

    def sum(
        self, vectors: Mapping[int, Tensor], gone: frozenset[int] = frozenset(), *, round_: int = 1, seed: int = 0
    ) -> Summed:
        """Return the sum of vectors (n,), each number within half a level of the code for each who is left."""
        needed, left = self.needed(len(vectors)), frozenset(those_left(vectors, gone, CLIP))
        people = {p: Masker(p, round_, needed) for p in sorted(vectors)}
        keys = {p: person.public for p, person in people.items()}
        bytes_shared = 0
        sealed = {sender: person.shares(keys) for sender, person in people.items()}
        for sender, envelopes in sealed.items():
            for other, envelope in envelopes.items():
                people[other].hold(sender, envelope)
                bytes_shared = len(envelope)
        received = {p: people[p].masked(vectors[p], round_) for p in sorted(left)}
        if len(left) < needed:
            raise TooFewLeft(
                f"{len(left)} of {len(vectors)} participants are left; the sum needs {needed}. The round is lost."
            )
        length = len(next(iter(vectors.values())))
        total = np.zeros(length, dtype=np.uint32)
        for masked in received.values():
            total += masked
        self._open(total, people, keys, left, gone, round_)
        others = len(vectors) - 1
        own = 4 * length + 2 * KEY + others * bytes_shared + len(vectors) * SHARE
        back = 4 * length + len(vectors) * 2 * KEY + others * bytes_shared
        first = min(left)
        return Summed(decoded(total, len(left)), sorted(left), decoded(received[first], 1), own, back)

    @staticmethod
    def _open(
        total: Integers,
        people: Mapping[int, Masker],
        keys: Mapping[int, bytes],
        left: frozenset[int],
        gone: frozenset[int],
        round_: int,
    ) -> None:
        """Take out of the masked sum (n,), in place, what does not cancel: the server's last step."""
        answers = {p: people[p].unmasked(left, gone & frozenset(people)) for p in left}
        for person in left:
            total -= stream(recovered({p: own[person] for p, (own, _) in answers.items()}), round_, len(total))
        for person in gone & frozenset(people):
            private = X25519PrivateKey.from_private_bytes(
                recovered({p: pair[person] for p, (_, pair) in answers.items()})
            )
            for other in left:
                mask = stream(
                    private.exchange(X25519PublicKey.from_public_bytes(keys[other][:KEY])), round_, len(total)
                )
                # Who is left added it for a higher number and subtracted it for a lower one.
                if person > other:
                    total -= mask
                else:
                    total += mask
