"""The recorded frames as a film: GIF everywhere, WebM where PyAV brings an encoder."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, cast

from PIL import Image

from workbench.core.errors import Failure
from workbench.reports.pictures import last_frame, page
from workbench.reports.thinning import thinned
from workbench.runs.run_folder import RunFolder

FRAMES = 80  # of a film
FRAME_MS = 90
LAST_MS = 2000  # the last frame is held, to be looked at
PIXELS = 80_000_000  # of all frames together; larger pages have fewer frames, and very large ones are made smaller
LARGEST = 4_000_000  # pixels of one frame
CODEC = "libvpx-vp9"
NO_WEBM = (
    "A WebM film needs PyAV, which is not here: pip install 'model-inversion-workbench[film]'. The GIF shows the same."
)


def frames_of(folder: RunFolder) -> Iterator[Image.Image]:
    """Yield the recorded frames as pages of one size, RGB, few and small enough to be kept in memory.

    Raises:
        StoreError: the run has no frame yet.
    """
    first = page(folder, last_frame(folder))
    shrink = min(1.0, (LARGEST / (first.width * first.height)) ** 0.5)
    size = max(2, round(first.width * shrink)), max(2, round(first.height * shrink))
    for number in thinned(folder.frames(), max(2, min(FRAMES, PIXELS // (size[0] * size[1])))):
        whole = page(folder, number)
        yield whole if whole.size == size else whole.resize(size, Image.Resampling.LANCZOS)


def gif(folder: RunFolder) -> bytes:
    """Return the recorded frames as a GIF that holds its last frame for two seconds."""
    pictures = [picture.quantize(64, method=Image.Quantize.FASTOCTREE) for picture in frames_of(folder)]
    held = io.BytesIO()
    pictures[0].save(
        held,
        "GIF",
        save_all=True,
        append_images=pictures[1:],
        loop=0,
        duration=[FRAME_MS] * (len(pictures) - 1) + [LAST_MS],
    )
    return held.getvalue()


@lru_cache(maxsize=1)
def can_webm() -> bool:
    """Return whether an encoder for WebM is installed."""
    if find_spec("av") is None:
        return False
    try:
        import av

        av.codec.Codec(CODEC, "w")
    except Exception:  # a PyAV without this encoder, or one that cannot be loaded
        return False
    return True


def webm(folder: RunFolder) -> bytes:
    """Return the recorded frames as a WebM film (VP9) that holds its last frame for two seconds.

    Raises:
        Failure: no encoder is installed.
    """
    if not can_webm():
        raise Failure(NO_WEBM)
    import av

    held = io.BytesIO()
    with av.open(held, "w", format="webm") as film:
        stream: Any = None
        picture = None
        for picture in frames_of(folder):
            if stream is None:
                stream = cast(Any, film.add_stream(CODEC, rate=round(1000 / FRAME_MS)))
                stream.width, stream.height = picture.width // 2 * 2, picture.height // 2 * 2  # VP9 halves the colours
                stream.pix_fmt, stream.options = "yuv420p", {"crf": "32", "b": "0", "deadline": "realtime"}
            film.mux(stream.encode(_cut(picture, stream)))
        for _ in range(LAST_MS // FRAME_MS):
            film.mux(stream.encode(_cut(picture, stream)))
        film.mux(stream.encode())
    return held.getvalue()


def _cut(picture: Any, stream: Any) -> Any:
    """Return a picture as a frame of the stream's size."""
    import av

    return av.VideoFrame.from_image(picture.crop((0, 0, stream.width, stream.height)))
