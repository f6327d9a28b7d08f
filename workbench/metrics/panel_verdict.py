"""What one recogniser of the panel says of reconstructions: whom it sees, and how often that is who was attacked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from workbench.core.intervals import Interval, share_interval
from workbench.metrics.base import Judged
from workbench.recognisers import KnowsPublicClasses, Recogniser


class Answer(StrEnum):
    """What a judge says of a picture that was made of somebody."""

    RECOGNISED = "recognised"  # that very class
    OTHER = "other"  # another class, or none
    UNCLEAR = "cannot tell"  # too little detail for its no to mean one


@dataclass(frozen=True)
class PanelVerdict:
    """A recogniser's vote on N images.

    Attributes:
        seen: what it has learned from.
        threshold: the least score at which it names a class; None for one that always names one.
        least_detail: with less detail in a picture it cannot tell; 0 where no picture has too little for it.
        choice: for each image the class it names, None for "none of these".
        others: for each image the public class that it names, None where it names none or knows none.
        score: for each image the score of its best class, on the recogniser's own scale.
        right: for each image whether it names the class attacked.
        answer: for each image that, or whether it says no, or cannot tell.
        accuracy: share of images for which it is right, 0 to 1.
        interval: of the accuracy, 95 %, a person counted once.
    """

    key: str
    title: str
    seen: str
    threshold: float | None
    least_detail: float
    choice: list[int | None]
    others: list[str | None]
    score: list[float]
    right: list[bool]
    answer: list[Answer]
    accuracy: float
    interval: Interval


@dataclass(frozen=True)
class Agreement:
    """What the recognisers say together that can answer "none of these"; one that must choose a class has no vote here.

    Attributes:
        judges: their titles.
        answers: for each of N images: recognised by all of them; not, as one of them says clearly; or they cannot tell.
    """

    judges: list[str]
    answers: list[Answer]

    def count(self, answer: Answer) -> int:
        """Return for how many images this is what they say."""
        return self.answers.count(answer)

    @property
    def right(self) -> list[bool]:
        """For each image whether all of them name the class attacked."""
        return [answer is Answer.RECOGNISED for answer in self.answers]

    @property
    def share(self) -> float:
        """Share of the images that all of them recognise, 0 to 1."""
        return sum(self.right) / len(self.right)


def agreement_of(verdicts: Sequence[PanelVerdict]) -> Agreement | None:
    """Return what those who can say no agree on; None where nobody can."""
    able = [v for v in verdicts if v.threshold is not None]
    if not able:
        return None
    return Agreement(
        [v.title for v in able], [together(votes) for votes in zip(*(v.answer for v in able), strict=True)]
    )


def together(votes: Iterable[Answer]) -> Answer:
    """Return what several answers come to: one clear no is a no, and all have to recognise what counts as recognised.

    Kleene's conjunction of three values.

    >>> together([Answer.RECOGNISED, Answer.UNCLEAR]).value, together([Answer.UNCLEAR, Answer.OTHER]).value
    ('cannot tell', 'other')
    """
    found = set(votes)
    return next((answer for answer in (Answer.OTHER, Answer.UNCLEAR) if answer in found), Answer.RECOGNISED)


def answers_of(right: Tensor, detail: Tensor, least: float) -> list[Answer]:
    """Return each image's answer from whether it is recognised, bool (N,), and its detail, (N,)."""
    return [
        Answer.RECOGNISED if yes else Answer.UNCLEAR if soft else Answer.OTHER
        for yes, soft in zip(right.tolist(), (detail < least).tolist(), strict=True)
    ]


def verdict_of(member: Recogniser, judged: Judged) -> PanelVerdict:
    """Return what a member of the panel says of the images under judgement."""
    best = judged.scores(member).max(1)
    named = torch.ones_like(best.indices, dtype=torch.bool)
    if member.threshold is not None:
        named = best.values >= member.threshold
    right = named & (best.indices == judged.labels)
    others: list[str | None] = [None] * len(right)
    if isinstance(member, KnowsPublicClasses):
        others = member.others(judged.images)
    return PanelVerdict(
        key=member.key,
        title=member.title,
        seen=member.card.seen,
        threshold=member.threshold,
        least_detail=member.least_detail,
        choice=[c if known else None for c, known in zip(best.indices.tolist(), named.tolist(), strict=True)],
        others=others,
        score=best.values.tolist(),
        right=right.tolist(),
        answer=answers_of(right, judged.detail, member.least_detail),
        accuracy=right.float().mean().item(),
        interval=share_interval(right, judged.labels),
    )
