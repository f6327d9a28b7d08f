"""What a frame shows of its candidates: images, and whatever else an attack may recover."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, Protocol

from torch import Tensor


class Payload(Protocol):
    """What an attack holds of its N candidates at one step; detached from every graph and never aliased.

    A record derived from `Snapshot` keeps that promise by itself. The engine knows no more of a payload than this;
    what is written down of it, and how it is judged, say `workbench.runs.payloads` and `workbench.engine.judging`.

    Attributes:
        kind: a word for it, by which a viewer of a recorded run tells how to draw it.
        count: N.
    """

    kind: ClassVar[str]

    @property
    def count(self) -> int: ...


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A record whose tensors are detached copies, so that an optimiser working in place cannot rewrite history."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                object.__setattr__(self, field.name, value.detach().clone())


@dataclass(frozen=True, eq=False)
class Images(Snapshot):
    """Images of N = classes x restarts candidates, and where they stand.

    Attributes:
        images: (N, C, H, W) float32 in [0, 1].
        latents: (N, D), or None for an attack on pixels.
        confidence: (N,) the target's confidence in each candidate's class, 0 to 1; None where unknown.
        kept: (N,) bool, which candidates the attack's own selection keeps; None before it selects.
        cloud: (M, D) latents tried around the candidates: a population, a sphere; None where there is none.
        cloud_of: (M,) int64, which candidate each of the cloud belongs to; None without a cloud.
    """

    kind: ClassVar[str] = "images"

    images: Tensor
    latents: Tensor | None = None
    confidence: Tensor | None = None
    kept: Tensor | None = None
    cloud: Tensor | None = None
    cloud_of: Tensor | None = None

    @property
    def count(self) -> int:
        return len(self.images)
