"""From what participants answer to the mean that the server adds, by the protocol of the training."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from workbench.federated.checks import Reception, no_examples, not_finite, other_shape
from workbench.federated.protocols.base import PROTOCOLS, TooFewLeft
from workbench.federated.update import Update, flat, unflat

GONE = "Participant {} dropped out."


@dataclass(frozen=True, eq=False)
class RoundOutcome:
    """What a round came to.

    Attributes:
        mean: by name, what is added to the global weights; None where nothing could be taken.
        refused: for each participant whose update is not in the mean the reason, a sentence.
        cost: bytes that a participant sends and is sent, and seconds for the sum.
    """

    mean: Mapping[str, Tensor] | None
    refused: dict[int, str]
    cost: dict[str, Any] = field(default_factory=dict)


def aggregated(
    reception: Reception, updates: Sequence[Update], gone: frozenset[int], protocol: str, round_: int
) -> RoundOutcome:
    """Return the mean of the updates, weighed by images.

    A server that sees single updates looks at each; one that sees their sum cannot, and what a participant's own software
    does not catch is in the mean.

    Args:
        gone: places among the updates of those who send nothing in the end.
        protocol: key of `PROTOCOLS`.
    """
    entry = PROTOCOLS.entry(protocol)
    lost = {updates[place].participant for place in gone}
    refused = {number: GONE.format(number) for number in sorted(lost)}
    if entry.info.hides:
        problems = ((u, own_problem(reception, u, round_)) for u in updates)
        wrong = {u.participant: problem for u, problem in problems if problem}
    else:
        wrong = reception.sort([u for u in updates if u.participant not in lost], round_)[1]
    refused |= wrong
    taking = [u for u in updates if u.participant not in wrong]
    whole = sum(u.examples for u in taking)
    if not {u.participant for u in taking} - lost:
        return RoundOutcome(None, refused)
    vectors = {u.participant: flat(u.delta) * (u.examples / whole) for u in taking}
    begun = time.perf_counter()
    try:
        summed = entry.item().sum(vectors, frozenset(lost), round_=round_)
    except TooFewLeft as error:
        return RoundOutcome(None, {u.participant: refused.get(u.participant, str(error)) for u in updates})
    share = sum(u.examples for u in taking if u.participant in summed.left) / whole
    cost = {"sent": summed.sent, "received": summed.received, "seconds": round(time.perf_counter() - begun, 4)}
    return RoundOutcome(unflat(summed.total / share, taking[0].delta), refused, cost)


def own_problem(reception: Reception, update: Update, round_: int) -> str | None:
    """Return what a participant's own software finds wrong before it hides the update, or None."""
    for check in (other_shape, not_finite, no_examples):
        if problem := check(reception, update, round_):
            return problem
    return None
