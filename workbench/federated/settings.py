"""What a federated training is: its knobs, and the text that names it, its weights and each model of each round.

``cnn@fedavg,split=person/007/participant-3`` is what participant 3 sent in round 7 of a training whose other knobs have
their defaults. Such a name stands wherever a target's does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.core.errors import UnknownName, UsageError
from workbench.core.knobs import changed_text, configure, knob
from workbench.core.records import TrainingConfig
from workbench.core.rounds import GLOBAL, PARTICIPANT, ModelOfRound
from workbench.federated.faults import FAULTS
from workbench.federated.privacy import PROTECTS
from workbench.federated.protocols.base import PROTOCOLS
from workbench.federated.splits.base import choices

KEY = "fedavg"


@dataclass(frozen=True)
class FedAvg:
    """Federated averaging, McMahan et al., AISTATS 2017, https://arxiv.org/abs/1602.05629, Algorithm 1."""

    participants: int = knob(10, 2, 100, help="Who take part, each with images of their own.")
    split: str = knob("iid", choices=choices(), help="How the private training images are divided among them.")
    alpha: float = knob(
        0.5, 0.01, 100.0, log=True, help="Concentration of the Dirichlet split; small: few classes each."
    )
    rounds: int = knob(20, 1, 500, log=True, help="Times that the server averages.", unit="rounds")
    epochs: int = knob(5, 1, 50, help="Passes over their own images that participants make in a round.", unit="epochs")
    participation: float = knob(1.0, 0.05, 1.0, help="Share of the participants that the server asks in a round.")
    batch: int = knob(16, 1, 256, log=True, help="Images in a local step.")
    lr: float = knob(
        0.02, 1e-4, 1.0, log=True, help="Local learning rate at the start; it falls to a tenth over the rounds."
    )
    protocol: str = knob(
        "plain",
        choices={entry.key: entry.title for entry in PROTOCOLS},
        help="How updates are summed, and so what the server sees of one.",
    )
    privacy: str = knob("none", choices=PROTECTS, help="Whom differential privacy protects, by clipping and noise.")
    noise: float = knob(
        1.0,
        0.01,
        1000.0,
        log=True,
        help="Noise multiplier z of that privacy: standard deviation over the longest contribution.",
    )
    bound: float = knob(
        1.0, 1e-3, 100.0, log=True, help="Clipping bound C of that privacy: longest update, or gradient of an image."
    )
    delta: float = knob(1e-3, 1e-9, 0.1, log=True, help="Probability δ with which the promise may fail.")
    dropped: float = knob(0.0, 0.0, 0.9, help="Share of those asked who agree to take part and then send nothing.")
    fault: str = knob(
        "none",
        choices={"none": "is honest", **{key: fault.title for key, fault in FAULTS.items()}},
        help="What participant 0 does wrong, to see who notices.",
    )


@dataclass(frozen=True)
class Federation:
    """One federated training: what is trained on whose images, and how.

    Attributes:
        scenario, arch: whose images, and which architecture.
        setting: its knobs.
        seed: of the division, the first weights, the order of images and who is asked.
    """

    scenario: str
    arch: str
    setting: FedAvg
    seed: int = 0

    @classmethod
    def of(cls, scenario: str, arch: str, knobs: Mapping[str, Any] | None = None, seed: int = 0) -> Federation:
        """Return the training with these knob values; raises `UnknownName` or `KnobError`."""
        return cls(scenario, arch, configure(FedAvg, knobs or {}), seed)

    @classmethod
    def trained_as(cls, config: TrainingConfig) -> Federation:
        """Return the training that a queued configuration says; raises `UnknownName` or `KnobError`."""
        return cls.of(config.scenario, config.target_key, config.recipe, config.seed)

    @property
    def label(self) -> str:
        """The knobs that differ from their defaults, as names have them: ``fedavg,split=person``."""
        parts = [f"{name}={value}" for name, value in changed_text(self.setting).items()]
        return ",".join([KEY, *parts, *([f"seed={self.seed}"] if self.seed else [])])

    @property
    def command(self) -> str:
        """The command that trains it."""
        knobs = "".join(f" --set {name}={value}" for name, value in changed_text(self.setting).items())
        seed = f" --seed {self.seed}" if self.seed else ""
        return f"python -m workbench federated train --scenario {self.scenario} --arch {self.arch}{knobs}{seed}"

    def target(self, round_: int, victim: str = GLOBAL) -> str:
        """Return the name of a target: the model of `victim` after a round, 0 for the first weights.

        Args:
            victim: "global", "aggregate" (what the server holds after the round, the same), or "participant:3".

        Raises:
            UsageError: the round or the victim cannot be.
        """
        if not 0 <= round_ <= self.setting.rounds:
            raise UsageError(f"Round {round_} is not one of this training; it has rounds 0 to {self.setting.rounds}.")
        return str(ModelOfRound(self.arch, self.label, round_, self._victim(victim, round_)))

    def _victim(self, text: str, round_: int) -> str:
        if text in (GLOBAL, "aggregate"):
            return GLOBAL
        kind, _, number = text.replace("-", ":").partition(":")
        if kind != PARTICIPANT or not number.isdigit() or int(number) >= self.setting.participants:
            last = self.setting.participants - 1
            raise UsageError(
                f"'{text}' is nobody's model. Choose global, aggregate or participant:0 to participant:{last}."
            )
        if round_ == 0:
            raise UsageError("Before round 1 nobody has sent anything. Choose a later round, or the global model.")
        return f"{PARTICIPANT}-{int(number)}"


def federation_of(scenario: str, snapshot: ModelOfRound) -> Federation:
    """Return the training that a target's name tells of; raises `UnknownName` or `KnobError` for one that cannot be."""
    key, *pairs = snapshot.training.split(",")
    if key != KEY:
        raise UnknownName("federated training", key, [KEY])
    values = dict(pair.partition("=")[::2] for pair in pairs)
    seed = values.pop("seed", "0")
    return Federation.of(scenario, snapshot.arch, values, int(seed) if seed.isdigit() else 0)
