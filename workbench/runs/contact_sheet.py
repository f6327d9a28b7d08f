"""Contact sheets: many small images as one picture."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor


@dataclass(frozen=True)
class SheetLayout:
    """Where each candidate sits: candidate i in column i % columns, row i // columns."""

    count: int
    columns: int
    tile: tuple[int, int]  # width, height in pixels

    @classmethod
    def of(cls, count: int, shape: tuple[int, int, int]) -> SheetLayout:
        """Return a grid a little wider than high for `count` images of (C, H, W)."""
        return cls(count, min(count, max(1, math.ceil(math.sqrt(count * 1.6)))), (shape[2], shape[1]))

    @property
    def rows(self) -> int:
        return math.ceil(self.count / self.columns)

    def to_json(self) -> dict:
        return {"columns": self.columns, "rows": self.rows, "tile": list(self.tile)}


def compose(images: Tensor, grid: SheetLayout) -> Image.Image:
    """Return one picture of images (N, C, H, W) in [0, 1]; the empty places of the last row are black."""
    pixels = (images.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    n, c, h, w = pixels.shape
    tiles = np.zeros((grid.rows * grid.columns, c, h, w), np.uint8)
    tiles[:n] = pixels
    rows = tiles.reshape(grid.rows, grid.columns, c, h, w).transpose(0, 3, 1, 4, 2)
    sheet = rows.reshape(grid.rows * h, grid.columns * w, c)
    return Image.fromarray(sheet[..., 0] if c == 1 else sheet)


def jpeg(images: Tensor, grid: SheetLayout) -> bytes:
    """Return the sheet of images (N, C, H, W) in [0, 1] as JPEG, for frames, of which many are made while an attack goes on.

    WebP takes eighteen times as long, for two thirds of the bytes.
    """
    held = io.BytesIO()
    compose(images, grid).save(held, "JPEG", quality=90, subsampling=0)
    return held.getvalue()


def media_type(sheet: bytes) -> str:
    """Return what kind of picture a sheet is."""
    return "image/jpeg" if sheet.startswith(b"\xff\xd8") else "image/webp"


def webp(images: Tensor, grid: SheetLayout, *, lossless: bool = False) -> bytes:
    """Return the sheet of images (N, C, H, W) in [0, 1] as WebP; lossy is some ten times smaller."""
    held = io.BytesIO()
    compose(images, grid).convert("RGB").save(held, "WEBP", quality=90, method=0, lossless=lossless)
    return held.getvalue()
