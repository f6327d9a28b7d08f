"""Names of models on their way: one round of a federated training, seen from one place.

``cnn@fedavg,split=person/007/participant-3``: architecture, training, round, whose model. It is what menus, records and
the command line call such a target, and where its weights lie; so nothing that is no such name may pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

GLOBAL, PARTICIPANT = "global", "participant"
NAME = re.compile(r"([a-z0-9][a-z0-9-]*)@([a-z][a-z0-9,=.-]{0,200})/([0-9]{3})/(global|participant-[0-9]{1,3})")


@dataclass(frozen=True)
class ModelOfRound:
    """Attributes: arch: architecture. training: the text of its settings. round: 0 for first weights. victim: whose model."""

    arch: str
    training: str
    round: int
    victim: str

    @classmethod
    def parse(cls, target: str) -> ModelOfRound | None:
        """Return what a target's name says, None if it names no model of a round."""
        found = NAME.fullmatch(target)
        return cls(found[1], found[2], int(found[3]), found[4]) if found else None

    def __str__(self) -> str:
        return f"{self.arch}@{self.training}/{self.round:03d}/{self.victim}"

    @property
    def title(self) -> str:
        """What a person reads: "round 7, participant 3"."""
        who = "global model" if self.victim == GLOBAL else self.victim.replace("-", " ")
        return f"round {self.round}, {who}"


def architecture_of(target: str) -> str:
    """Return the architecture that a target's name begins with: the whole of it, unless it names a model of a round."""
    snapshot = ModelOfRound.parse(target)
    return snapshot.arch if snapshot else target
