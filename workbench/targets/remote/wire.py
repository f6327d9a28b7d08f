"""How images travel to a target elsewhere: as JSON, the pixels packed.

``{"dtype": "float32", "shape": [n, C, H, W], "data": "..."}`` with `data` the base64 of the pixels in C order, little
endian; ``"uint8"`` stands for the 256 grey levels from 0 to 1. A list of numbers would take six times the time.
"""

from __future__ import annotations

import base64
import binascii
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

DTYPES: dict[str, np.dtype[Any]] = {"float32": np.dtype("<f4"), "uint8": np.dtype("u1")}


def packed(images: Tensor, dtype: str = "float32") -> dict[str, Any]:
    """Return images (n, C, H, W) in [0, 1] as plain data for JSON."""
    plain = images.detach().cpu().contiguous()
    if dtype == "uint8":
        plain = (plain.clamp(0, 1) * 255).round().to(torch.uint8)
    pixels = np.ascontiguousarray(plain.numpy(), dtype=DTYPES[dtype])
    return {"dtype": dtype, "shape": list(images.shape), "data": base64.b64encode(pixels.tobytes()).decode("ascii")}


def unpacked(data: Any, shape: tuple[int, int, int], most: int) -> Tensor:
    """Return the images (n, C, H, W) in [0, 1] of packed data; at most `most` of them.

    Raises:
        ValueError: it is none, or of another shape, or holds what is no grey level; the message is for the sender.
    """
    if not isinstance(data, dict) or not {"dtype", "shape", "data"} <= set(data):
        raise ValueError('images must be {"dtype": ..., "shape": [n, C, H, W], "data": base64}')
    kind, sizes = DTYPES.get(data["dtype"]) if isinstance(data["dtype"], str) else None, data["shape"]
    if kind is None:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}")
    if not isinstance(sizes, list) or not all(type(side) is int for side in sizes) or tuple(sizes[1:]) != tuple(shape):
        raise ValueError(f"shape must be [n, {', '.join(map(str, shape))}]")
    if not 1 <= sizes[0] <= most:
        raise ValueError(f"send 1 to {most} images at once")
    try:
        raw = base64.b64decode(data["data"], validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise ValueError("data is not base64") from None
    if len(raw) != prod(sizes) * kind.itemsize:
        raise ValueError(
            f"data holds {len(raw)} bytes; {data['dtype']} of shape {sizes} takes {prod(sizes) * kind.itemsize}"
        )
    pixels = torch.from_numpy(np.frombuffer(raw, kind).astype(np.float32).reshape(sizes))
    images = pixels / 255 if data["dtype"] == "uint8" else pixels
    if not bool((images >= 0).all() & (images <= 1).all()):  # false for a NaN as well
        raise ValueError("pixels must lie in [0, 1]")
    return images
