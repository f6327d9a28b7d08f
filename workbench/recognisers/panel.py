"""Several recognisers asked the same: what they agree on is more than what one of them can be fooled into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.recognisers.base import RECOGNISERS, Recogniser
from workbench.recognisers.evaluator import Evaluator
from workbench.scenarios import Scenario
from workbench.targets.store import EVALUATOR


@dataclass(frozen=True)
class LeftOut:
    """A recogniser that is not asked, and why, in a sentence."""

    key: str
    title: str
    why: str


@dataclass(frozen=True, eq=False)
class Panel:
    """Recognisers of one scenario, in a fixed order.

    Attributes:
        left_out: those that may not judge the target at hand.
    """

    members: tuple[Recogniser, ...]
    left_out: tuple[LeftOut, ...] = ()

    @classmethod
    def of(cls, scenario: Scenario, device: torch.device | str = "cpu") -> Panel:
        """Return every registered recogniser that knows this scenario; raises `WeightsCorrupt`."""
        opened = (entry.item(scenario, torch.device(device)) for entry in RECOGNISERS)
        return cls(tuple(member for member in opened if member is not None))

    def __len__(self) -> int:
        return len(self.members)

    def __iter__(self) -> Iterator[Recogniser]:
        return iter(self.members)

    @property
    def evaluator(self) -> Evaluator | None:
        """The member that most measures are defined by; None where the scenario has no trained evaluator."""
        return next((m for m in self.members if m.key == EVALUATOR and isinstance(m, Evaluator)), None)

    def apart_from(self, body: str, weights: str = "") -> Panel:
        """Return the panel without those that share the target's body or weights: they would be fooled as it is.

        Args:
            body: the target's architecture.
            weights: sha256 of its weights; "" where that is not known.
        """
        kept, left_out = [], list(self.left_out)
        for member in self.members:
            if weights and member.card.weights == weights:
                left_out.append(LeftOut(member.key, member.title, "It is the target itself: it has the same weights."))
            elif body and member.card.body == body:
                why = f"It has the target's body, '{body}', and may be fooled as the target is."
                left_out.append(LeftOut(member.key, member.title, why))
            else:
                kept.append(member)
        return Panel(tuple(kept), tuple(left_out))

    def votes(self, images: Tensor) -> Tensor:
        """Return every member's scores (M, N, K) of images (N, C, H, W) in [0, 1], on the CPU, in the panel's order.

        Raises:
            ValueError: the panel has no member.
        """
        if not self.members:
            raise ValueError("a panel of nobody has no votes")
        return torch.stack([member.scores(images) for member in self.members])
