"""What the server looks at before it takes an update into the mean; whoever fails is refused and named.

A server that sees single updates can do this. Under secure aggregation it sees none, and the same checks find nothing:
that is part of what the protocol costs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

import torch

from workbench.federated.update import State, Update

TOO_LONG = 5.0  # times the median length of this round's updates
FEWEST = 3  # updates of which a median says something


@dataclass
class Reception:
    """The server's side of one training: what it expects, and what it has taken so far.

    Attributes:
        expected: weights of the global model, for names and shapes.
        taken: fingerprints of every update that was taken, with participant and round.
    """

    expected: State
    taken: dict[str, tuple[int, int]] = field(default_factory=dict)

    def sort(self, updates: Sequence[Update], round_: int) -> tuple[list[Update], dict[int, str]]:
        """Return the updates to take, and for each participant that is refused the reason, a sentence."""
        refused: dict[int, str] = {}
        for update in updates:
            if problem := next(filter(None, (check(self, update, round_) for check in ALONE)), None):
                refused[update.participant] = problem
        good = [update for update in updates if update.participant not in refused]
        usual = median(update.norm for update in good) if len(good) >= FEWEST else None
        for update in good:
            if usual is not None and (problem := too_long(update, usual)):
                refused[update.participant] = problem
        good = [update for update in good if update.participant not in refused]
        self.taken |= {update.digest: (update.participant, update.round) for update in good}
        return good, refused


def other_round(reception: Reception, update: Update, round_: int) -> str | None:
    if update.round == round_:
        return None
    return f"Participant {update.participant} answers round {update.round}, and this is round {round_}."


def other_shape(reception: Reception, update: Update, round_: int) -> str | None:
    ours, theirs = reception.expected, update.delta
    who = f"Participant {update.participant}"
    if missing := sorted(set(ours) ^ set(theirs)):
        return f"{who} sends weights of another architecture: '{missing[0]}' is not in both."
    for name, value in ours.items():
        if theirs[name].shape != value.shape:
            return f"{who} sends '{name}' of shape {list(theirs[name].shape)}; the model has {list(value.shape)}."
    return None


def not_finite(reception: Reception, update: Update, round_: int) -> str | None:
    for name, value in update.delta.items():
        if not torch.isfinite(value).all():
            return f"Participant {update.participant} sends NaN or infinite numbers in '{name}'."
    return None


def no_examples(reception: Reception, update: Update, round_: int) -> str | None:
    return None if update.examples > 0 else f"Participant {update.participant} says that it has no images."


def seen_before(reception: Reception, update: Update, round_: int) -> str | None:
    if (before := reception.taken.get(update.digest)) is None or update.norm == 0:
        return None
    return f"Participant {update.participant} sends what participant {before[0]} sent in round {before[1]} already."


def too_long(update: Update, usual: float) -> str | None:
    """Return why an update is refused that is far longer than the others of its round, or None."""
    if update.norm <= TOO_LONG * usual:
        return None
    return (
        f"Participant {update.participant} sends an update {update.norm / usual:.1f} times as long as is usual in this "
        f"round; {TOO_LONG:g} times are allowed."
    )


# In the order in which they can be asked: shapes before values.
ALONE: tuple[Callable[[Reception, Update, int], str | None], ...] = (
    other_round,
    other_shape,
    not_finite,
    no_examples,
    seen_before,
)
