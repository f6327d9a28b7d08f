"""One picture, of any kind that Pillow reads, as bytes of a wanted shape: known by its content, upright, in eight bits.

Nothing here trusts a file: neither its ending nor the size that its header claims.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Literal, NamedTuple, get_args

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from workbench.core.errors import UsageError

Fitting = Literal["crop", "fit"]
FITTINGS: tuple[Fitting, ...] = get_args(Fitting)
MOST_PIXELS = 120_000_000  # of one picture: twelve times a usual photograph, half a gigabyte once unpacked
FEWEST_PIXELS = 8  # across and down; what is smaller shows nobody
# Pillow's readers that start another program, or that are no readers by themselves.
REFUSED = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "PDF"}
DRAFT = 4  # a JPEG is unpacked at a smaller scale where that is still so many times what is wanted
DEEP = {"I;16", "I;16B", "I;16L", "I;16N"}
ORIENTATION, LYING = 0x0112, {5, 6, 7, 8}  # of EXIF: stored on its side
# What Pillow's readers raise over damaged files, besides its own errors.
READERS_RAISE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    ArithmeticError,
    RuntimeError,
    AttributeError,
    AssertionError,
    struct.error,
    zlib.error,
)
BACKGROUND = 255  # what shows through: white, as on a page


class PictureCut(NamedTuple):
    """The part of a picture that is kept, as shares of its width and height."""

    left: float
    top: float
    right: float
    bottom: float

    def of(self, image: Image.Image) -> Image.Image:
        across, down = image.size
        return image.crop(
            (round(self.left * across), round(self.top * down), round(self.right * across), round(self.bottom * down))
        )


class NotAPicture(Exception):
    """The content of a file is of no kind that Pillow knows."""


class BrokenPicture(Exception):
    """A picture that cannot be read, or not safely; the text says why in a few words."""


@cache
def formats() -> tuple[str, ...]:
    """Return the names of the kinds of pictures that are read."""
    Image.init()
    return tuple(sorted(set(Image.OPEN) - REFUSED))


def fitting_of(text: str) -> Fitting:
    """Return `text` as a way of fitting; raises `UsageError`."""
    for known in FITTINGS:
        if text == known:
            return known
    raise UsageError(f"'{text}' is no way to fit a picture. Choose {' or '.join(FITTINGS)}.")


@contextmanager
def opened_picture(source: Path | IO[bytes]) -> Iterator[Image.Image]:
    """Open a picture, whatever it calls itself, and say in few words why it cannot be read where it cannot.

    Raises:
        NotAPicture: the content is of no kind that is read.
        BrokenPicture: damaged, cut off or too large, found out while it is opened or by what is done with it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata; what matters is refused
            with Image.open(source, formats=formats()) as opened:
                yield opened
    except (NotAPicture, BrokenPicture):
        raise
    except UnidentifiedImageError:
        raise NotAPicture("no kind of picture that is read") from None
    except (Image.DecompressionBombError, MemoryError):
        raise BrokenPicture(f"more than {MOST_PIXELS:,} pixels") from None
    except READERS_RAISE as error:
        raise BrokenPicture(reason(error)) from None


def size_of(source: Path | IO[bytes]) -> tuple[int, int]:
    """Return how many pixels a picture has across and down when it is upright; raises as `opened_picture` does."""
    with opened_picture(source) as opened:
        across, down = opened.size
        return (down, across) if opened.getexif().get(ORIENTATION, 1) in LYING else (across, down)


def read_picture(
    source: Path | IO[bytes], shape: tuple[int, int, int], how: Fitting = "crop", cut: PictureCut | None = None
) -> np.ndarray:
    """Return a picture as uint8 (C, H, W).

    Of a moving picture the first frame is taken. What is transparent shows white. Sixteen bits are scaled to eight.

    Args:
        source: a regular file, or its bytes.
        shape: (C, H, W) wanted; C is 1 for grey and 3 for colour.
        cut: the part of the upright picture to keep first; None for all of it.
        how: "crop" cuts the middle out in the aspect of `shape`, "fit" keeps all of it between black bars.

    Raises:
        NotAPicture: the content is of no kind that is read.
        BrokenPicture: too small, too large, cut off, or otherwise not to be read.
    """
    channels, height, width = shape
    with opened_picture(source) as opened:
        return fitted(opened, channels, (width, height), how, cut)


def reason(error: BaseException) -> str:
    """Return why something could not be read, in one short line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return " ".join(str(error).split())[:100] or type(error).__name__


def fitted(
    opened: Image.Image, channels: int, size: tuple[int, int], how: Fitting, cut: PictureCut | None = None
) -> np.ndarray:
    """Return an opened picture as uint8 (C, H, W) of `size`, (W, H); raises `BrokenPicture` for one too small or large."""
    across, down = opened.size
    if across * down > MOST_PIXELS:
        raise BrokenPicture(f"{across} × {down} pixels, more than {MOST_PIXELS:,}")
    if min(across, down) < FEWEST_PIXELS:
        raise BrokenPicture(f"{across} × {down} pixels, fewer than {FEWEST_PIXELS} across or down")
    opened.draft(None, (DRAFT * max(size), DRAFT * max(size)))  # does nothing to what is no JPEG
    mode = "L" if channels == 1 else "RGB"
    standing = upright(opened)
    colours = in_colours(cut.of(standing) if cut else standing, mode)
    place = ImageOps.fit if how == "crop" else ImageOps.pad
    held = place(colours, size, Image.Resampling.LANCZOS)
    return np.atleast_3d(np.asarray(held)).transpose(2, 0, 1)


def upright(image: Image.Image) -> Image.Image:
    """Return an image turned as its EXIF says it was held; as it is stored where that cannot be read."""
    image.load()  # a damaged picture fails here; asked a second time, Pillow would hand out what it has of it
    try:
        return ImageOps.exif_transpose(image)
    except READERS_RAISE:
        return image  # the metadata alone is damaged


def in_colours(image: Image.Image, mode: str) -> Image.Image:
    """Return an image of any mode as "L" or "RGB", eight bits a channel, without transparency."""
    if image.mode in DEEP or image.mode in ("I", "F"):
        image = in_eight_bits(image)
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        ground = Image.new("RGBA", seen.size, (BACKGROUND, BACKGROUND, BACKGROUND, 255))
        image = Image.alpha_composite(ground, seen).convert("RGB")
    elif image.mode == "P":
        image = image.convert("RGB")  # a palette of greys too: straight to "L" Pillow would round twice
    return image if image.mode == mode else image.convert(mode)


def in_eight_bits(image: Image.Image) -> Image.Image:
    """Return a grey image of 16 or 32 bits, or of floats, in eight bits.

    Sixteen bits are divided by 257. Of numbers without a range of their own the greatest says which of the usual ranges
    they have: up to 1, 255 or 65,535, else up to the greatest itself.
    """
    values = np.asarray(image, dtype=np.float64)
    if not np.isfinite(values).all():
        raise BrokenPicture("values that are not finite")
    most = float(values.max(initial=0.0))
    if image.mode in DEEP:
        top = 65535.0
    else:
        top = next((t for t in ((1.0,) if image.mode == "F" else ()) + (255.0, 65535.0) if most <= t), most)
    return Image.fromarray((values.clip(0, top) * (255 / top) + 0.5).astype(np.uint8))
