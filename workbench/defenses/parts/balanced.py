"""Batches of several images of each of a few classes, for losses that compare images of a batch by their class."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

EACH = 5  # images of a class in a batch, where a batch cannot hold every class


def balanced_batches(labels: Tensor, size: int, rng: torch.Generator) -> Iterator[Tensor]:
    """Yield row numbers, (at most `size`,) a batch, of one epoch: ``max(1, N // size)`` batches of equally many of each class.

    Each class, and each image of a class, comes again only when all others have come, as far as the rows of labels (N,)
    allow.
    """
    classes = labels.unique().tolist()
    chosen = min(len(classes), max(2, size // EACH))
    each = size // chosen
    rows = {c: (labels == c).nonzero()[:, 0] for c in classes}
    left: dict[int, Tensor] = {c: torch.empty(0, dtype=torch.long) for c in classes}
    coming: list[int] = []
    for _ in range(max(1, len(labels) // size)):
        if len(coming) < chosen:
            order = [classes[k] for k in torch.randperm(len(classes), generator=rng)]
            coming += [c for c in order if c not in coming]
        now, coming = coming[:chosen], coming[chosen:]
        for c in now:
            while len(left[c]) < each:
                left[c] = torch.cat([left[c], rows[c][torch.randperm(len(rows[c]), generator=rng)]])
        yield torch.cat([left[c][:each] for c in now])
        left |= {c: left[c][each:] for c in now}
