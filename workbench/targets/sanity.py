"""Whether a classifier from elsewhere is asked as it wants to be: what it answers about its own people.

A network that gets wrongly scaled pixels recognises nobody, and no attack on it finds anything. That looks like a defense
and is none, so before the first step it is asked about private photographs, as it is set up and as it might have been.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.core.errors import Failure
from workbench.scenarios import Labelled, Split
from workbench.targets.inputs import InputSpec, candidates

MOST = 200  # photographs that are asked about
POOR = 0.5  # share of its own people below which a target is not what it is taken for
BETTER = 0.1  # by which another scaling has to be better before it is proposed

Answer = Callable[[Tensor, InputSpec], Tensor]


@dataclass(frozen=True)
class Sanity:
    """What a target answers about photographs of its own people that it did not learn from.

    Attributes:
        spec: how it is asked.
        accuracy: share of `n` photographs that it names right, 0 to 1.
        classes: K.
        tried: other ways of asking with the share that is named right then, the best first.
        predicted: (n,) classes that it names as it is asked.
        labels: (n,) whose photographs they are.
        confidence: (n,) of the class that it names, 0 to 1.
    """

    spec: InputSpec
    accuracy: float
    classes: int
    tried: tuple[tuple[InputSpec, float], ...]
    predicted: tuple[int, ...]
    labels: tuple[int, ...]
    confidence: tuple[float, ...]

    @property
    def n(self) -> int:
        return len(self.labels)

    @property
    def best(self) -> tuple[InputSpec, float]:
        """The way of asking that it names most right by, and the share."""
        better = [way for way in self.tried if way[1] > self.accuracy]
        return better[0] if better else (self.spec, self.accuracy)

    def warning(self, name: str, remedy: str = "say so with --input {name}={spec}") -> str | None:
        """Return what is wrong, in a sentence or two, and what would help; None where nothing is.

        Args:
            remedy: what to do where another way of asking is better; may hold {name} and {spec}.
        """
        spec, share = self.best
        if self.accuracy >= POOR and share < self.accuracy + BETTER:
            return None
        said = (
            f"{name} recognises {self.accuracy:.0%} of {self.n} photographs of its own people as it is asked now "
            f"({self.spec}; chance is {1 / self.classes:.0%}). An attack that finds nothing then says nothing of its "
            "robustness."
        )
        if share >= self.accuracy + BETTER:
            told = remedy.format(name=name.split(":")[-1], spec=spec)
            return f"{said} Asked as '{spec}' it recognises {share:.0%}: {told}."
        return f"{said} None of the usual scalings helps: look whether classes and order of names are the scenario's."


def asked_about(split: Split) -> Labelled:
    """Return the photographs that a target is asked about: held out where there are any, 200 at most, of all classes."""
    data = split.heldout if len(split.heldout) else split.train
    if len(data) <= MOST:
        return data
    rows = torch.linspace(0, len(data) - 1, MOST).long()
    return Labelled(data.images[rows], data.labels[rows])


@torch.no_grad()
def sanity_of(answer: Answer, spec: InputSpec, data: Labelled, classes: int, *, channels: int) -> Sanity:
    """Ask a target about its own people, in every usual way.

    Args:
        answer: from images (n, C, H, W) in [0, 1] and a way of asking to confidences or logits (n, K).
        channels: that the target takes; 0 for one that takes pixels as they are, and is asked in no other way.

    Raises:
        Failure: as it is set up, it cannot be asked; other ways that fail count as nothing recognised.
    """
    shares, asked = [], answer(data.images, spec).cpu()
    for way in candidates(spec, channels)[1:] if channels else []:
        try:
            shares.append((way, _right(answer(data.images, way).cpu(), data.labels)))
        except Failure:  # what is no number is an answer to the wrong question
            shares.append((way, 0.0))
    best = asked.softmax(1).max(1) if bool((asked < 0).any() or (asked > 1).any()) else asked.max(1)
    return Sanity(
        spec,
        _right(asked, data.labels),
        classes,
        tuple(sorted(shares, key=lambda way: -way[1])),
        tuple(best.indices.tolist()),
        tuple(data.labels.tolist()),
        tuple(round(c, 4) for c in best.values.tolist()),
    )


def _right(answers: Tensor, labels: Tensor) -> float:
    return round((answers.argmax(1) == labels).float().mean().item(), 4)
