"""Whether a private image lies among the public ones: a prior trained on those would know what it should not.

A perceptual hash (signs of the lowest frequencies of a cosine transform) and the correlation of thumbnails
each name the public images nearest to every private one; of those, pixels decide. Found are copies that were
mirrored, moved by two or four of 64 pixels, compressed, brightened, or given another contrast. Not surely found
are copies moved by an odd number of pixels; not found those cut to another size, and other photographs of the
same person.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from workbench.core.errors import DataMissing
from workbench.scenarios.base import Scenario
from workbench.scenarios.byte_images import ByteImages

SIDE = 32  # pixels decide on images of this width
THUMB = 16
WAVES = 8  # frequencies across and down that the hash is made of
NEAREST = 3  # public images that hash and thumbnail each name for a private one
CHUNK = 1000  # images at a time, so that memory stays small
SHIFT = 2  # of SIDE, in each direction: a sixteenth
LEAST = 0.96  # correlation from which two images count as one; the highest of two that are not is 0.93 (digits)
BLANK = 1e-3  # spread of grey levels below which an image shows nothing that could be compared


@dataclass(frozen=True)
class Pair:
    """A private and a public image, by row, and how alike they are: the correlation of their pixels, at most 1."""

    private: int
    public: int
    likeness: float


def leaks(private: Tensor, public: Tensor, least: float = LEAST) -> list[Pair]:
    """Return the private images that have a copy among the public ones, the surest first.

    Args:
        private: (P, C, H, W) in [0, 1].
        public: (M, C, H, W) in [0, 1].
        least: correlation from which two images count as one.
    """
    return [pair for pair in closest(private, public) if pair.likeness >= least]


@torch.no_grad()
def closest(private: Tensor, public: Tensor) -> list[Pair]:
    """Return for each private image (P, C, H, W) the most alike of those (M, C, H, W), the most alike pair first."""
    if not len(private) or not len(public):
        return []
    own, others = small(private), small(public)
    described = [(describe, describe(others)) for describe in (thumbnails, hashes)]
    named, likes = [], []
    for view in (own, own.flip(2)):
        rows = torch.cat([nearest(describe(view), known) for describe, known in described], 1)
        named.append(rows)
        likes += [likeness(part, others[of]) for part, of in zip(view.split(CHUNK), rows.split(CHUNK), strict=True)]
    best = torch.cat(likes).view(2, len(own), -1).transpose(0, 1).flatten(1).max(1)
    rows = torch.cat(named, 1).gather(1, best.indices[:, None])[:, 0]
    pairs = [Pair(i, *found) for i, found in enumerate(zip(rows.tolist(), best.values.tolist(), strict=True))]
    return sorted(pairs, key=lambda pair: -pair.likeness)


def small(images: Tensor) -> Tensor:
    """Return the mean of the channels of (n, C, H, W), averaged down to (n, 32, 32)."""
    return torch.cat([adaptive_avg_pool2d(part.float().mean(1), SIDE) for part in images.split(CHUNK)])


def standard(pixels: Tensor) -> Tensor:
    """Return rows (n, D) with mean 0 and length 1, so that products of rows are correlations; blank rows become 0."""
    centred = pixels - pixels.mean(1, keepdim=True)
    length = centred.norm(dim=1, keepdim=True)
    return torch.where(length > BLANK * math.sqrt(pixels.shape[1]), centred / length, 0)


def thumbnails(images: Tensor) -> Tensor:
    """Return (n, 32, 32) as rows (n, 256) whose products are correlations."""
    return standard(adaptive_avg_pool2d(images, THUMB).flatten(1))


def hashes(images: Tensor) -> Tensor:
    """Return the perceptual hashes of (n, 32, 32): 63 signs, ±1, of frequencies above or below their median."""
    k, x = torch.arange(WAVES)[:, None], torch.arange(SIDE)[None]
    waves = torch.cos(math.pi / SIDE * (x + 0.5) * k)  # discrete cosine transform, type II
    found = (waves @ images @ waves.T).flatten(1)[:, 1:]  # without the mean brightness
    return torch.where(found > found.median(1, keepdim=True).values, 1.0, -1.0)


def nearest(own: Tensor, others: Tensor) -> Tensor:
    """Return the rows (n, 3) of `others` with the largest products with each row of `own`, fewer if there are fewer."""
    count = min(NEAREST, len(others))
    return torch.cat([(part @ others.T).topk(count, 1).indices for part in own.split(500)])


def likeness(a: Tensor, b: Tensor) -> Tensor:
    """Return the correlations (n, k) of images a (n, 32, 32) with each of b (n, k, 32, 32), each at the shift that suits it."""
    inner, reach = SIDE - 2 * SHIFT, range(2 * SHIFT + 1)
    count, each = b.shape[:2]
    middle = standard(b[..., SHIFT:-SHIFT, SHIFT:-SHIFT].reshape(count * each, -1)).view(count, each, -1)
    best = torch.full((count, each), -1.0)
    for i, j in itertools.product(reach, reach):
        window = standard(a[:, i : i + inner, j : j + inner].flatten(1))
        best = best.maximum((middle @ window[:, :, None])[..., 0])
    return best


def name_of(images: Tensor, row: int) -> str | None:
    """Return what image `row` of (N, C, H, W) is called where it was read with its name."""
    return images.names[row] if isinstance(images, ByteImages) and row < len(images.names) else None


def leak_check(scenario: Scenario, public: Tensor, folder: Path | None = None) -> dict[str, Any]:
    """Return what a prior's card says of the comparison of `public` (M, C, H, W) with the private images.

    Empty where the private images are not here to be compared with.

    Args:
        folder: where `public` was read from, for the message.

    Raises:
        DataMissing: a private image is among the public ones; the message names both.
    """
    if scenario.problem() is not None:
        return {}
    private = scenario.private.all
    found = closest(private.images, public)
    first, copies = found[0], sum(pair.likeness >= LEAST for pair in found)
    if copies:
        raise DataMissing(
            f"{copies} private images of {scenario.key} are among the public ones: "
            f"{name_of(public, first.public) or scenario.public_name(first.public, folder)} shows {scenario.class_names[private.labels[first.private]]} "
            f"(correlation {first.likeness:.3f}). A prior must not have seen them; remove them and start again."
        )
    return {"private_images": len(private), "closest": round(first.likeness, 3), "copy_from": LEAST}
