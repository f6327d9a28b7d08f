"""What an attribute inference holds at one step, and what is written down of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from workbench.core.payloads import Snapshot
from workbench.priors.plane import Plane
from workbench.runs.payloads import Recorded, recorded, result_of


@dataclass(frozen=True, eq=False)
class Posteriors(Snapshot):
    """How likely every value of the sensitive attribute is, for each of R records, of which W are watched.

    Attributes:
        shares: (R, V) float32, rows that sum to one.
        watched: (W,) int64, the records whose frames are kept.
        asked: (V,) bool, the values about which the target has been asked so far.
    """

    kind: ClassVar[str] = "posteriors"

    shares: Tensor
    watched: Tensor
    asked: Tensor

    @property
    def count(self) -> int:
        return len(self.watched)


@recorded.register
def _(payload: Posteriors, plane: Plane | None) -> Recorded:
    shares = payload.shares[payload.watched].cpu().contiguous()
    return Recorded({"shares": shares, "asked": payload.asked.to(torch.int32)}, shares.amax(1))


@result_of.register
def _(payload: Posteriors) -> dict[str, Tensor]:
    return {"shares": payload.shares.cpu().contiguous(), "answers": payload.shares.argmax(1).cpu()}
