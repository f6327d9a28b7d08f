"""What one recogniser of the panel says of reconstructions: whom it sees, and how often that is who was attacked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from workbench.core.intervals import Interval, share_interval
from workbench.metrics.base import Judged
from workbench.recognisers import Recogniser


@dataclass(frozen=True)
class PanelVerdict:
    """A recogniser's vote on N images.

    Attributes:
        seen: what it has learned from.
        threshold: the least score at which it names a class; None for one that always names one.
        choice: for each image the class it names, None for "none of these".
        score: for each image the score of its best class, on the recogniser's own scale.
        right: for each image whether it names the class attacked.
        accuracy: share of images for which it does, 0 to 1.
        interval: of the accuracy, 95 %, a person counted once.
    """

    key: str
    title: str
    seen: str
    threshold: float | None
    choice: list[int | None]
    score: list[float]
    right: list[bool]
    accuracy: float
    interval: Interval


@dataclass(frozen=True)
class Agreement:
    """What the recognisers say together that can answer "none of these"; one that must choose a class has no vote here.

    Attributes:
        judges: their titles.
        right: for each of N images whether all of them name the class attacked.
    """

    judges: list[str]
    right: list[bool]

    @property
    def share(self) -> float:
        """Share of the images that all of them recognise, 0 to 1."""
        return sum(self.right) / len(self.right)


def agreement_of(verdicts: Sequence[PanelVerdict]) -> Agreement | None:
    """Return what those who can say no agree on; None where nobody can."""
    able = [v for v in verdicts if v.threshold is not None]
    if not able:
        return None
    return Agreement([v.title for v in able], [all(votes) for votes in zip(*(v.right for v in able), strict=True)])


def verdict_of(member: Recogniser, judged: Judged) -> PanelVerdict:
    """Return what a member of the panel says of the images under judgement."""
    best = judged.scores(member).max(1)
    named = torch.ones_like(best.indices, dtype=torch.bool)
    if member.threshold is not None:
        named = best.values >= member.threshold
    right = named & (best.indices == judged.labels)
    return PanelVerdict(
        key=member.key,
        title=member.title,
        seen=member.card.seen,
        threshold=member.threshold,
        choice=[c if known else None for c, known in zip(best.indices.tolist(), named.tolist(), strict=True)],
        score=best.values.tolist(),
        right=right.tolist(),
        accuracy=right.float().mean().item(),
        interval=share_interval(right, judged.labels),
    )
