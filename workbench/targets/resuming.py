"""Trainings of classifiers that are cut short, and go on where they were."""

from __future__ import annotations

import io
import pickle
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch

from workbench.core.errors import WeightsCorrupt
from workbench.core.paths import models_dir
from workbench.core.weights import write_atomically

EVERY = 5.0  # seconds between checkpoints; a killed process loses so much, and an epoch


class Stateful(Protocol):
    """A module, an optimiser or its schedule: what has a state."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> Any: ...


def checkpoint_of(name: str) -> Path:
    """Return where the training of the weights called `name` is resumed from."""
    return models_dir() / ".checkpoints" / (name.replace("/", "-") + ".pt")


class EpochCheckpoint:
    """The checkpoint of one training, in one phase after another: a finished epoch, with everything that the next depends on.

    Resumed from it, a training ends with the same weights to the bit, on the same machine.

    Args:
        path: where it is kept.
        facts: what tells this training from another of the same weights, as plain data.
        resume: take up what is there; it is ignored, and overwritten in time, otherwise.

    Attributes:
        phase: number of the phase that is going.
        measured: what earlier phases have measured.
        spent: seconds that the training took before it was cut short.

    Raises:
        WeightsCorrupt: what is there cannot be read, or is of another training.
    """

    def __init__(self, path: Path, facts: Mapping[str, Any], resume: bool = False) -> None:
        self.path, self.facts = path, dict(facts)
        self.phase, self.spent = 0, 0.0
        self.measured: dict[str, float] = {}
        self._begun, self._kept = time.monotonic(), time.monotonic()
        self._state: dict[str, Any] | None = None
        if resume and path.is_file():
            self._state = self._read()
            self.phase, self.measured = self._state["phase"], self._state["measured"]
            self.spent = self._state["seconds"]

    def turn(self, phase: int, measured: Mapping[str, float]) -> None:
        """Begin another phase, or go on in it where it was resumed."""
        if phase != self.phase:
            self.phase, self.measured, self._state = phase, dict(measured), None

    def restore(self, parts: Mapping[str, Stateful], rng: torch.Generator) -> int:
        """Bring the parts and both generators to where they were; return how many epochs are done."""
        if self._state is None:
            return 0
        state, self._state = self._state, None
        try:
            for name, part in parts.items():
                part.load_state_dict(state["parts"][name])
            rng.set_state(state["rng"])
            torch.set_rng_state(state["global_rng"])
            return int(state["epoch"])
        except (KeyError, ValueError, RuntimeError, TypeError) as error:
            raise self._damaged(error) from None

    @contextmanager
    def keeping(self, epoch: int, parts: Mapping[str, Stateful], rng: torch.Generator) -> Iterator[None]:
        """Keep a finished epoch while its progress is told, now and then, and always where the training is closed then."""
        if time.monotonic() - self._kept >= EVERY:
            self._keep(epoch, parts, rng)
        try:
            yield
        except GeneratorExit:
            self._keep(epoch, parts, rng)
            raise

    def forget(self) -> None:
        """Remove it: the training is over."""
        self.path.unlink(missing_ok=True)

    def _keep(self, epoch: int, parts: Mapping[str, Stateful], rng: torch.Generator) -> None:
        held = io.BytesIO()
        torch.save(
            {
                "facts": self.facts,
                "phase": self.phase,
                "measured": self.measured,
                "epoch": epoch,
                "seconds": self.spent + time.monotonic() - self._begun,
                "parts": {name: part.state_dict() for name, part in parts.items()},
                "rng": rng.get_state(),
                "global_rng": torch.get_rng_state(),
            },
            held,
        )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, held.getvalue())
        self._kept = time.monotonic()

    def _read(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
            if state["facts"] != self.facts:
                raise ValueError("other images, or another recipe")
            _ = state["phase"], state["measured"], state["seconds"]
            return state
        except (OSError, EOFError, RuntimeError, KeyError, ValueError, TypeError, pickle.UnpicklingError) as error:
            raise self._damaged(error) from None

    def _damaged(self, error: Exception) -> WeightsCorrupt:
        why = (str(error) or type(error).__name__).splitlines()[0]
        return WeightsCorrupt(
            f"The checkpoint {self.path} cannot be resumed: it is damaged or of another training ({why}). "
            "Start without --resume, or remove it."
        )
