"""What a participant sends: how its local training moved the global weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

State = Mapping[str, Tensor]  # a model's weights by name; counters of batches are no part of it


@dataclass(frozen=True, eq=False)
class Update:
    """One participant's answer to one round.

    Attributes:
        participant: its number.
        round: the round that it answers, 1 for the first.
        examples: images it was made of, by which the server weighs it.
        delta: by name, new weights less those that the server sent.
    """

    participant: int
    round: int
    examples: int
    delta: State

    @property
    def norm(self) -> float:
        """Euclidean length of the whole of it."""
        return flat(self.delta).norm().item()

    @property
    def digest(self) -> str:
        """A fingerprint of its direction, the same for every multiple of it."""
        vector = flat(self.delta).double()
        unit = (vector / vector.norm().clamp_min(1e-12)).mul(1e5).round()
        return hashlib.sha256(unit.numpy().tobytes()).hexdigest()


def weights_of(state: State) -> dict[str, Tensor]:
    """Return the floating-point entries of a state, detached copies on the CPU: parameters and the batch norms' statistics."""
    return {name: value.detach().cpu().clone() for name, value in state.items() if value.is_floating_point()}


def flat(state: State) -> Tensor:
    """Return every entry of a state in the order of their names, (n,)."""
    return torch.cat([state[name].flatten() for name in sorted(state)])


def unflat(vector: Tensor, like: State) -> dict[str, Tensor]:
    """Return a vector (n,) as the state that `flat` made it of."""
    names = sorted(like)
    parts = vector.split([like[name].numel() for name in names])
    return {name: part.reshape(like[name].shape).to(like[name].dtype) for name, part in zip(names, parts, strict=True)}


def minus(after: State, before: State) -> dict[str, Tensor]:
    return {name: after[name] - before[name] for name in before}


def plus(before: State, delta: State) -> dict[str, Tensor]:
    return {name: before[name] + delta[name] for name in before}


def weighted_mean(updates: Sequence[Update]) -> dict[str, Tensor]:
    """Return Σ n_k Δ_k / Σ n_k, McMahan et al. 2017, Algorithm 1; `updates` holds one at least."""
    total = sum(update.examples for update in updates)
    mean = sum(
        (flat(u.delta).double() * (u.examples / total) for u in updates[1:]),
        start=flat(updates[0].delta).double() * (updates[0].examples / total),
    )
    return unflat(mean, updates[0].delta)
