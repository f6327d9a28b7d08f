"""Precision and recall of the evaluator's choices, each the mean over the classes attacked.

Of a matrix of choices whose rows are the classes that pictures were made for; classes that nobody attacked have no row, and
a picture that is taken for one of them counts against its own.
"""

from __future__ import annotations

import torch

from workbench.metrics.base import Judged
from workbench.metrics.sets import set_metric


@set_metric(
    "precision",
    title="Precision",
    unit="share",
    best="higher",
    compares="of the reconstructions that the evaluator takes for a class, the share made for it; mean over classes attacked",
    source="Wang et al., survey, 2023, section 4",
    resampled=True,
    order=11,
)
def precision(judged: Judged) -> float:
    """Return the mean precision, 0 to 1; that of a class for which nothing is taken is 0."""
    said, right, classes = _counts(judged)
    return (right / said.clamp(min=1))[classes].mean().item()


@set_metric(
    "recall",
    title="Recall",
    unit="share",
    best="higher",
    compares="of the reconstructions made for a class, the share that the evaluator takes for it; mean over classes attacked",
    source="Wang et al., survey, 2023, section 4",
    resampled=True,
    order=12,
)
def recall(judged: Judged) -> float:
    """Return the mean recall, 0 to 1: accuracy with each class weighing alike."""
    _, right, classes = _counts(judged)
    made = torch.bincount(judged.labels, minlength=len(right))
    return (right / made.clamp(min=1))[classes].mean().item()


def _counts(judged: Judged) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return for each of K classes how many are taken for it, and how many of those rightly, (K,), and the classes attacked."""
    choice, classes = judged.logits.argmax(1), judged.logits.shape[1]
    right = torch.bincount(choice[choice == judged.labels], minlength=classes).double()
    return torch.bincount(choice, minlength=classes), right, judged.labels.unique()
