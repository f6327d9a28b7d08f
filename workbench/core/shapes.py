"""The shape of an image, as a type."""

from __future__ import annotations

from collections.abc import Sequence

Shape = tuple[int, int, int]  # (C, H, W)


def image_shape(sizes: Sequence[int]) -> Shape:
    """Return (C, H, W) of three numbers, such as a card's list or the end of a tensor's shape."""
    channels, height, width = sizes
    return channels, height, width
