"""What encryption costs two parties who train boosted trees together, beside the same training in the clear."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from workbench.core.errors import DataMissing, Incompatible
from workbench.core.knobs import knob
from workbench.tabular.encoding import encoder_of
from workbench.tabular.models.secure_boost import halves
from workbench.tabular.scenarios import TABLES
from workbench.tabular.vertical.boosting import Boosting, SecureBoost
from workbench.tabular.vertical.sums import Clear, Encrypted, Sums


@dataclass(frozen=True)
class Vertical:
    """How the two are compared."""

    rows: int = knob(300, 20, 100_000, log=True, help="Records that both parties have.")
    trees: int = knob(3, 1, 100, help="Trees, one after the other.")
    depth: int = knob(3, 1, 8, help="Splits between a tree's root and a leaf.")
    bins: int = knob(8, 1, 64, help="Thresholds on a number, at most.")
    bits: int = knob(
        2048, 512, 4096, log=True, help="Bits of Paillier's modulus; fewer than 2,048 are for trying alone."
    )


@dataclass(frozen=True)
class Trained:
    """One training.

    Attributes:
        accuracy: on records that took no part, 0 to 1; of the greater class alone it would be `floor`.
        sent, received: bytes of the party with the labels.
        same: whether the trees are those of the training in the clear, to the bit.
        problem: why there was none, a sentence.
    """

    title: str
    accuracy: float = 0.0
    floor: float = 0.0
    seconds: float = 0.0
    sent: int = 0
    received: int = 0
    same: bool = True
    problem: str = ""


def compared(scenario: str, how: Vertical, seed: int = 0) -> Iterator[Trained]:
    """Yield the training in the clear, then the encrypted one.

    Raises:
        UnknownName, DataMissing.
        Incompatible: the response has other than two classes.
    """
    place = TABLES[scenario]()
    if len(place.response.classes) != 2:
        raise Incompatible([f"These trees tell two classes apart; {scenario} has {len(place.response.classes)}."])
    private, public = place.records.private, place.records.public
    chosen = np.random.default_rng(seed).permutation(len(private))[: how.rows]
    encoder = encoder_of(private.without(place.response.name).columns)
    features, others = (
        encoder.encode(table.without(place.response.name).data) for table in (private.rows(chosen), public)
    )
    positive, truth = (place.response.grouped(t.of(place.response.name)) == 1 for t in (private.rows(chosen), public))
    ways: dict[str, type[Sums]] = {"In the clear": Clear, "Paillier": Encrypted}
    first: SecureBoost | None = None
    for title, way in ways.items():
        try:
            sums = Encrypted(how.bits) if way is Encrypted else way()
        except DataMissing as error:
            yield Trained(title, problem=str(error))
            continue
        begun = time.perf_counter()
        boosting = Boosting(how.trees, how.depth, bins=how.bins)
        model = SecureBoost(boosting, halves(features.shape[1]), sums, seed).fit(features, positive.astype(float))
        seconds = time.perf_counter() - begun
        first = first or model
        accuracy = float(((model.likely(others) > 0.5) == truth).mean())
        done = Trained(title, accuracy, float(max(truth.mean(), 1 - truth.mean())), seconds, sums.sent, sums.received)
        yield replace(done, same=model.trees == first.trees)
