"""Reading untrusted image folders into tensors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from workbench.core.errors import DataMissing

SUFFIXES = {".jpg", ".jpeg", ".png", ".pgm", ".bmp", ".webp"}
FEWEST = 64  # a prior trained on fewer only memorises them
FEWEST_OF_CLASS = 10


def read_image(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """Return one image as uint8 (C, H, W): centre-cropped to the aspect of `shape`, then resized."""
    channels, height, width = shape
    with Image.open(path) as image:
        colours = image.convert("L" if channels == 1 else "RGB")
        fitted = ImageOps.fit(colours, (width, height), Image.Resampling.LANCZOS)
        return np.atleast_3d(np.asarray(fitted)).transpose(2, 0, 1)


def image_paths(folder: Path) -> list[Path]:
    """Return every image file below `folder`, in order of path."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)


def read_folder(folder: Path, shape: tuple[int, int, int]) -> Tensor:
    """Return every image below `folder`, (N, C, H, W) float32 in [0, 1], in order of path.

    Raises:
        DataMissing: no such folder, a file that is not an image, or too few images.
    """
    if not folder.is_dir():
        raise DataMissing(f"{folder} is not a folder. Name one that holds face or digit images.")
    images = _read(image_paths(folder), folder, shape)
    if len(images) < FEWEST:
        raise DataMissing(f"{folder} holds {len(images)} images; at least {FEWEST} are needed.")
    return torch.from_numpy(np.stack(images)).float() / 255


def read_classes(folder: Path, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """Return images (N, C, H, W) float32 in [0, 1] and labels (N,) of a folder that holds a folder for each class.

    Classes are numbered in order of their folders' names; those with fewer than 10 images are left out.

    Raises:
        DataMissing: no such folder, a file that is not an image, or fewer than two classes.
    """
    if not folder.is_dir():
        raise DataMissing(f"{folder} is not a folder. Name one that holds a folder of images for each class.")
    images, labels, classes = [], [], 0
    for part in sorted(p for p in folder.iterdir() if p.is_dir()):
        paths = image_paths(part)
        if len(paths) >= FEWEST_OF_CLASS:
            images += _read(paths, folder, shape)
            labels += [classes] * len(paths)
            classes += 1
    if classes < 2:
        raise DataMissing(
            f"{folder} holds {classes} folders of at least {FEWEST_OF_CLASS} images; at least two classes are needed."
        )
    return torch.from_numpy(np.stack(images)).float() / 255, torch.tensor(labels)


def _read(paths: list[Path], folder: Path, shape: tuple[int, int, int]) -> list[np.ndarray]:
    images, broken = [], []
    for path in paths:
        try:
            images.append(read_image(path, shape))
        except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
            broken.append(path.name)
    if broken:
        raise DataMissing(
            f"{len(broken)} files in {folder} cannot be read as images, the first is {broken[0]}. "
            "Remove them and start again."
        )
    return images
