"""What a participant can do wrong, on purpose or not: one function each, from an honest update to what is sent instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch

from workbench.federated.update import Update

BOOST = 20.0  # times longer than it honestly was


@dataclass(frozen=True)
class Fault:
    """Attributes: title: for menus. spoil: from the honest update and this participant's last one (None at first) to what it sends."""

    title: str
    spoil: Callable[[Update, Update | None], Update]


def not_a_number(update: Update, last: Update | None) -> Update:
    """Send one NaN among the weights."""
    name = next(iter(update.delta))
    spoilt = update.delta[name].clone()
    spoilt.view(-1)[0] = torch.nan
    return replace(update, delta={**update.delta, name: spoilt})


def wrong_shape(update: Update, last: Update | None) -> Update:
    """Send a layer with a row too many, as of another architecture."""
    name = next(iter(update.delta))
    return replace(update, delta={**update.delta, name: torch.cat([update.delta[name], update.delta[name][:1]])})


def boosted(update: Update, last: Update | None) -> Update:
    """Send the update many times as long, so that it outweighs everybody: Bagdasaryan et al., AISTATS 2020, eq. 3."""
    return replace(update, delta={name: BOOST * value for name, value in update.delta.items()})


def replayed(update: Update, last: Update | None) -> Update:
    """Send last round's update again as if it were this one's."""
    return update if last is None else replace(last, round=update.round)


def stale(update: Update, last: Update | None) -> Update:
    """Send this round's update as an answer to another round."""
    return replace(update, round=update.round - 1)


FAULTS: Mapping[str, Fault] = {
    "nan": Fault("sends NaN", not_a_number),
    "shape": Fault("sends wrong shapes", wrong_shape),
    "boost": Fault("sends boosted weights", boosted),
    "replay": Fault("sends last round's update again", replayed),
    "stale": Fault("answers another round", stale),
}
