"""How much detail a picture has, and how little is too little for a judge to say no.

A judge who does not recognise a blurred picture has not said that it shows somebody else: it does not recognise blurred
photographs of the very person either. How much of that it can bear is measured on real photographs, shrunk and enlarged
again; below that a picture that it does not recognise gets "cannot tell" for an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import Tensor

from workbench.recognisers.nothing import blurred
from workbench.scenarios import Labelled

EIGHTH = 8  # waves across a picture from which on something counts as detail: each is an eighth of the side, or finer
SHARES = (1.0, 0.625, 0.5, 0.375, 0.3125, 0.25, 0.1875, 0.125)  # of the side that photographs are shrunk to
HALF = 0.5  # of what a judge recognises at full sharpness; below that its silence says nothing


def detail(images: Tensor) -> Tensor:
    """Return how much of each picture is detail, (N,), 0 to 1, of images (N, C, H, W) in [0, 1].

    The amplitude of all waves no longer than an eighth of the side, over that of all waves; a window keeps the edges of the
    picture from counting as one. Even pictures have none.
    """
    grey = images.float().mean(1)
    height, width = grey.shape[1:]
    window = torch.hann_window(height, False)[:, None] * torch.hann_window(width, False)
    spectrum = torch.fft.fft2((grey - grey.mean((1, 2), keepdim=True)) * window).abs().square()
    rows, columns = torch.fft.fftfreq(height)[:, None] * height, torch.fft.fftfreq(width) * width
    waves = (rows.square() + columns.square()).sqrt()
    fine, all_ = (spectrum[:, waves >= least].sum(1) for least in (EIGHTH, 1))
    return torch.where(all_ > 1e-9, fine / all_.clamp_min(1e-9), 0).sqrt()


@dataclass(frozen=True)
class BlurStep:
    """What a judge makes of real photographs that were shrunk and enlarged again.

    Attributes:
        side: pixels a side that they were shrunk to; that of the photographs for those left alone.
        detail: their median, 0 to 1.
        recognised: share named as who is on them, 0 to 1.
        false_matches: share of pairs of a photograph and another class that reach the threshold, 0 to 1.
    """

    side: int
    detail: float
    recognised: float
    false_matches: float

    def to_json(self) -> dict[str, Any]:
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


class Scoring(Protocol):
    """What is asked of a judge here."""

    @property
    def threshold(self) -> float: ...

    def scores(self, images: Tensor) -> Tensor:
        """Return scores (N, K) of images (N, C, H, W) in [0, 1]."""


def blur_steps(judge: Scoring, photographs: Labelled) -> list[BlurStep]:
    """Return what `judge` makes of photographs at full sharpness and at ever less."""
    side, found = photographs.images.shape[-1], []
    for share in SHARES:
        shrunk = round(share * side)
        images = photographs.images if share == 1 else blurred(photographs.images, shrunk)
        scores = judge.scores(images)
        near = scores >= judge.threshold
        own = torch.zeros_like(near).scatter_(1, photographs.labels[:, None], True)
        right = (scores.argmax(1) == photographs.labels) & near.gather(1, photographs.labels[:, None])[:, 0]
        found.append(
            BlurStep(
                shrunk,
                detail(images).median().item(),
                right.float().mean().item(),
                near[~own].float().mean().item(),
            )
        )
    return found


def least_detail(steps: Sequence[BlurStep]) -> float:
    """Return the detail at which a judge still recognises half of what it does at full sharpness; 0 if it always does.

    Args:
        steps: from full sharpness to the least; between two of them a straight line is taken.
    """
    half = HALF * steps[0].recognised
    for sharper, softer in pairwise(steps):
        if softer.recognised < half:
            share = (sharper.recognised - half) / (sharper.recognised - softer.recognised)
            return sharper.detail + share * (softer.detail - sharper.detail)
    return 0.0
