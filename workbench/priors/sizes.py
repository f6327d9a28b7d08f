"""How large a generator is, and its critic: both follow from the side of the images."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.core.errors import Incompatible
from workbench.core.shapes import Shape

SMALLEST = 4  # pixels a side that the first map has at least
SIDES = tuple(sorted(first * 2**doublings for first in (4, 5, 6, 7) for doublings in (2, 3, 4, 5)))


@dataclass(frozen=True)
class GeneratorSizes:
    """Channels of the networks for images of one number of doublings.

    Attributes:
        latent_dim: D.
        widths: from the first map towards the image, one for each doubling.
        style_widths: of a style-based generator; one more, since each map draws an image of its own.
        critic_widths: from the image down, one for each halving.
    """

    latent_dim: int
    widths: tuple[int, ...]
    style_widths: tuple[int, ...]
    critic_widths: tuple[int, ...]


# By how often the first map is doubled.
SIZES = {
    2: GeneratorSizes(64, (96, 48), (96, 64, 32), (32, 64)),
    3: GeneratorSizes(64, (128, 96, 48), (128, 96, 64, 32), (32, 64, 128)),
    4: GeneratorSizes(128, (256, 128, 96, 64), (256, 160, 96, 48, 24), (32, 64, 128, 256)),
    5: GeneratorSizes(128, (256, 192, 128, 96, 64), (256, 192, 128, 96, 48, 24), (32, 64, 128, 192, 256)),
}


def first_side(shape: Shape, doublings: int) -> int:
    """Return the side in pixels of the map that becomes an image (C, H, W) when doubled so often.

    Raises:
        Incompatible: the image is not square, or cannot be halved so often.
    """
    _, height, width = shape
    if height != width or height % 2**doublings:
        raise Incompatible(
            [
                f"Images of {height}x{width} pixels cannot be halved {doublings} times: they must be square, of a multiple "
                f"of {2**doublings} pixels a side."
            ]
        )
    return height // 2**doublings


def sizes_of(shape: Shape) -> GeneratorSizes:
    """Return how large a generator of images (C, H, W) is to be.

    Raises:
        Incompatible: no generator draws such images.
    """
    _, height, width = shape
    doublings = max(0, height.bit_length() - SMALLEST.bit_length())  # the most that leave a first map of 4 to 7 pixels
    if height != width or height not in SIDES:
        raise Incompatible(
            [
                f"No generator can be built for images of {height}x{width} pixels. It doubles a map of 4 to 7 pixels, so "
                f"images must be square, of {', '.join(map(str, SIDES[:-1]))} or {SIDES[-1]} pixels a side."
            ]
        )
    return SIZES[doublings]
