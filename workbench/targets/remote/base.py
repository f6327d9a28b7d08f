"""A target that somebody else runs: it says what it offers, answers images, and may go away.

Behind a `TargetView` it stands in the place of a classifier: images in, logits out whose softmax is what was answered. What
it does not release is filled up as anyone could: confidences that a top-k target keeps to itself share what is left
equally, and a label alone is a confidence of one. An attack that wants more than is offered is refused beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from workbench.core.errors import BadAnswer
from workbench.core.records import Access

OFFERED = (Access.SCORES, Access.TOP_K, Access.LABEL)  # from most to least
SLACK = 0.02  # by which released confidences may miss a sum of one, for rounding


@dataclass(frozen=True)
class RemoteCard:
    """What a target takes and gives.

    Attributes:
        shape: (C, H, W) of the images.
        classes: K.
        access: `Access.SCORES`, `TOP_K` or `LABEL`; no other can be had from a distance.
        k: how many confidences a top-k target releases.
        dtype: "float32" or "uint8", as which it wants pixels.
        title: what it calls itself.
    """

    shape: tuple[int, int, int]
    classes: int
    access: Access = Access.SCORES
    k: int = 5
    dtype: str = "float32"
    title: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "shape": list(self.shape),
            "classes": self.classes,
            "answers": self.access.value,
            "k": self.k if self.access is Access.TOP_K else None,
            "dtype": self.dtype,
        }

    @classmethod
    def from_json(cls, data: Any) -> RemoteCard:
        """Return the offer that a target describes.

        Raises:
            ValueError: it describes none, with what is wrong.
        """
        if not isinstance(data, dict):
            raise ValueError("it is not an object")
        shape, classes, answers = data.get("shape"), data.get("classes"), data.get("answers")
        if not isinstance(shape, list) or len(shape) != 3 or not all(type(side) is int and side > 0 for side in shape):
            raise ValueError("'shape' is not [channels, height, width]")
        if type(classes) is not int or classes < 2:
            raise ValueError("'classes' is not a number above 1")
        if answers not in {access.value for access in OFFERED}:
            raise ValueError(f"'answers' is none of {', '.join(access.value for access in OFFERED)}")
        k, dtype = data.get("k") or 1, data.get("dtype", "float32")
        if answers == Access.TOP_K.value and (type(k) is not int or not 1 <= k <= classes):
            raise ValueError("'k' is not a number from 1 to 'classes'")
        if dtype not in ("float32", "uint8"):
            raise ValueError("'dtype' is neither float32 nor uint8")
        return cls(tuple(shape), classes, Access(answers), k, dtype, str(data.get("title", ""))[:120])

    def problem(self, name: str, shape: tuple[int, int, int], classes: int, wanted: Access) -> str | None:
        """Return why an attack with `wanted` access on a scenario cannot use this offer, in a sentence, or None."""
        if self.shape != tuple(shape):
            return (
                f"{name} takes images {list(self.shape)}, the scenario's are {list(shape)}. "
                "Choose the scenario that it was offered for."
            )
        if self.classes != classes:
            return (
                f"{name} has {self.classes} classes, the scenario {classes}. "
                "Choose the scenario that it was offered for."
            )
        if wanted.inside:
            whole = (
                " or bring the model itself, as torch.export writes it (docs/own-models.md)"
                if name[:5] == "onnx:"
                else ""
            )
            return (
                f"{name} can only be asked, and this attack holds the model itself. Choose a black-box attack{whole}."
            )
        if OFFERED.index(wanted) < OFFERED.index(self.access):
            most = f"its {self.k} best scores" if self.access is Access.TOP_K else "labels only"
            return f"{name} releases {most}, and this attack needs {wanted.label.lower()}. Choose one that needs less."
        return None


class ForeignTarget(nn.Module):
    """Images (n, C, H, W) in [0, 1] to logits (n, K), without gradients; a subclass gets the answers.

    Nobody can change it from here, so that a copy of it is itself.
    """

    def __init__(self, name: str, offer: RemoteCard) -> None:
        super().__init__()
        self.name, self.offer = name, offer

    def confidences(self, images: Tensor) -> Tensor:
        """Return confidences (n, K) for images (n, C, H, W).

        Raises:
            TargetAway: it does not answer, for now.
            BadAnswer: it answers with something that is no answer.
        """
        raise NotImplementedError

    def back(self) -> bool:
        """Return whether it answers at this moment."""
        return True

    def forward(self, images: Tensor) -> Tensor:
        return self.confidences(images).log().to(images.device)

    def __deepcopy__(self, memo: dict[int, Any]) -> ForeignTarget:
        return self


def scores_of(name: str, values: Tensor, rows: int, classes: int) -> Tensor:
    """Return the released confidences (n, K), scaled to sum to one; raises `BadAnswer`."""
    if tuple(values.shape) != (rows, classes):
        raise BadAnswer(
            f"{name} answered with scores of shape {list(values.shape)}; {rows} images of {classes} classes have "
            f"[{rows}, {classes}]."
        )
    if not torch.isfinite(values).all():
        raise BadAnswer(f"{name} answered with scores that are no numbers (NaN or infinite).")
    total = values.sum(1, keepdim=True)
    if values.min() < 0 or (total - 1).abs().max() > SLACK:
        raise BadAnswer(
            f"{name} answered with scores that are no confidences: from {values.min():.3g} to {values.max():.3g}, "
            f"a row sums to {total.flatten()[(total - 1).abs().argmax()]:.3g}. They must be 0 to 1 and sum to one."
        )
    return values / total


def top_of(name: str, values: Tensor, picked: Sequence[Sequence[int]], rows: int, offer: RemoteCard) -> Tensor:
    """Return confidences (n, K) of the k best (n, k) of the classes `picked`; raises `BadAnswer`."""
    labels = labels_of(name, [c for row in picked for c in row], rows * offer.k, offer.classes).view(rows, offer.k)
    if tuple(values.shape) != (rows, offer.k) or not torch.isfinite(values).all():
        raise BadAnswer(f"{name} answered with top scores that are not {rows} rows of {offer.k} numbers.")
    total = values.sum(1, keepdim=True)
    if values.min() < 0 or total.max() > 1 + SLACK or (labels.sort(1).values.diff() == 0).any():
        raise BadAnswer(f"{name} answered with top scores that are no confidences of {offer.k} different classes.")
    others = (1 - total).clamp(min=0) / max(1, offer.classes - offer.k)
    return others.expand(-1, offer.classes).scatter(1, labels, values)


def labels_of(name: str, labels: Sequence[Any], rows: int, classes: int) -> Tensor:
    """Return labels (n,) as int64; raises `BadAnswer` for another number of them, or one that is no class."""
    if len(labels) != rows:
        raise BadAnswer(f"{name} answered with {len(labels)} labels where {rows} were asked for.")
    wrong = next((c for c in labels if type(c) is not int or not 0 <= c < classes), None)
    if wrong is not None:
        raise BadAnswer(f"{name} answered with the label {str(wrong)[:40]}; the classes are 0 to {classes - 1}.")
    return torch.tensor(labels, dtype=torch.int64)
