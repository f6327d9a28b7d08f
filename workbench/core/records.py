"""Immutable records that cross layers: what a run is, and what it showed."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

from torch import Tensor

from workbench.core.payloads import Payload


class Access(enum.StrEnum):
    """What an attacker may ask of a target, from everything to the label alone."""

    WHITE_BOX = "white-box"  # the module itself: logits, hidden features and gradients
    FEATURES = "features"  # a hidden layer's output, no gradients
    SERVER = "server"  # of a network that is cut in two, the second half; no answers of the first
    SCORES = "scores"  # the full confidence vector
    TOP_K = "top-k"  # the k best confidences
    LABEL = "label"  # the predicted class

    @property
    def inside(self) -> bool:
        """Whether the attacker holds the model, so that nothing done to its output is in the way."""
        return self in (Access.WHITE_BOX, Access.FEATURES, Access.SERVER)

    @property
    def label(self) -> str:
        """How a person calls it, such as "Hidden features"."""
        return {
            "white-box": "White-box",
            "features": "Hidden features",
            "server": "Server's half alone",
            "scores": "Confidence scores",
            "top-k": "Top-k scores",
            "label": "Label only",
        }[self.value]


class Recovers(enum.StrEnum):
    """What an attack gets out of a model: each kind has its own tab, and other attackers have other data."""

    CLASS = "class"  # what a class looks like
    BATCH = "batch"  # the images of one batch, from what a participant of a federated training sent
    PICTURE = "picture"  # one picture, from what a hidden layer answered of it


SEEDS = range(2**31)  # what a run, a training or a sheet of samples may be seeded with


def seed_problem(seed: int) -> str | None:
    """Return why this cannot be a seed, None if it can."""
    return None if seed in SEEDS else f"seed={seed} is out of range; allowed: 0 to {SEEDS[-1]}."


class RunState(enum.StrEnum):
    """How far a run or a training is."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    DAMAGED = "damaged"  # its record is gone or cannot be read; what is left of it was put aside

    @property
    def ended(self) -> bool:
        return self not in (RunState.QUEUED, RunState.RUNNING, RunState.PAUSED)


@dataclass(frozen=True, eq=False)
class Frame:
    """One snapshot of a running attack; N = classes x restarts candidates, never aliased.

    Attributes:
        step, total: steps done, and how many there will be.
        payload: what the attack holds of its candidates, such as `Images`.
        losses: name to (N,) values.
        queries: rows the target has answered so far.
        note: a few words on what the attack is doing.
    """

    step: int
    total: int
    payload: Payload
    losses: Mapping[str, Tensor] = field(default_factory=dict)
    queries: int = 0
    note: str = ""

    def __post_init__(self) -> None:
        """Detach and copy, as the payload does."""
        object.__setattr__(self, "losses", MappingProxyType({k: v.detach().clone() for k, v in self.losses.items()}))


@dataclass(frozen=True)
class TrainedUnder:
    """The defense that weights were trained under, as far as their names go; none by default.

    Attributes:
        text: as a person writes it, ``"bido(strength=2)"``; "" for none.
        suffix: what the weights' name ends with, ``"-bido,strength=2"``; "" for none.
    """

    text: str = ""
    suffix: str = ""


UNDEFENDED = TrainedUnder()


@dataclass(frozen=True)
class Fork:
    """Where a run starts instead of at random: one recorded frame of another run."""

    run: str
    frame: int


@dataclass(frozen=True)
class RunConfig:
    """Everything that determines a run on one device; stored with it, and enough to repeat it.

    Attributes:
        classes: the classes attacked; each `restarts` times.
        knobs: every knob of the attack with its starting value.
        budget: most queries the attack may make, in rows; None for no limit.
        asks: how often each question is asked, to average random answers; every time counts.
    """

    scenario: str
    attack: str
    target: str
    defense: str = "none"
    prior: str | None = None
    classes: tuple[int, ...] = ()
    restarts: int = 1
    seed: int = 0
    device: str = "auto"
    budget: int | None = None
    knobs: Mapping[str, Any] = field(default_factory=dict)
    fork: Fork | None = None
    asks: int = 1

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "classes": list(self.classes), "knobs": dict(self.knobs)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunConfig:
        fork = data.get("fork")
        return cls(
            **{
                **data,
                "classes": tuple(data["classes"]),
                "knobs": dict(data["knobs"]),
                "fork": Fork(**fork) if fork else None,
            }
        )


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that determines a training; queued, recorded and repeated as a run is.

    Attributes:
        what: "prior", "target" or "federated".
        prior: which prior; None where a target is trained.
        target: the architecture that is trained, or what a tuned prior is tuned to; None for other priors.
        quality: "quick" or "full".
        recipe: changes to the recipe, as texts; of a federated training, its knobs.
        resume: go on from the checkpoint of a training that was cut short.
    """

    what: str
    scenario: str
    prior: str | None = None
    target: str | None = None
    defense: str = "none"
    quality: str = "quick"
    seed: int = 0
    recipe: Mapping[str, str] = field(default_factory=dict)
    resume: bool = False

    @property
    def prior_key(self) -> str:
        """The prior's key; "" for none, which no registry knows."""
        return self.prior or ""

    @property
    def target_key(self) -> str:
        """The architecture's key; "" for none, which no registry knows."""
        return self.target or ""

    def to_json(self) -> dict[str, Any]:
        return {"kind": "training", **asdict(self), "recipe": dict(self.recipe)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TrainingConfig:
        return cls(**{k: v for k, v in data.items() if k != "kind"})
