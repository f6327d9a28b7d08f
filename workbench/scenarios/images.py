"""Reading untrusted image folders into tensors."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from workbench.core.errors import DataMissing, UsageError
from workbench.scenarios.byte_images import ByteImages
from workbench.scenarios.reading.files import File, files_below
from workbench.scenarios.reading.left_out import PassedOver
from workbench.scenarios.reading.picture import Fitting
from workbench.scenarios.reading.read import read_files, read_pictures

FEWEST = 64  # a prior trained on fewer only memorises them
FEWEST_OF_CLASS = 10
MOST_BROKEN = 0.1  # of the files; where more are broken, something else is wrong than a few of them

log = logging.getLogger(__name__)


def image_paths(folder: Path) -> list[Path]:
    """Return every file below `folder` whose name says that it is a picture, in order of path; hidden ones are none."""
    return [folder / file.name for file in files_below(folder, PassedOver()) if file.meant]


def read_folder(folder: Path, shape: tuple[int, int, int], how: Fitting = "crop") -> ByteImages:
    """Return every picture of a folder, a zip archive or an ``.npz`` file, (N, C, H, W) in [0, 1], in order of path.

    Pictures that cannot be read are left out and named in a warning.

    Raises:
        DataMissing: no such folder, too few pictures, or so many that cannot be read that something else is wrong.
    """
    if not folder.exists():
        raise DataMissing(f"{folder} is not a folder. Name one that holds face or digit images.")
    try:
        found = read_pictures(folder, shape, how, classes_from="none")
    except UsageError as error:
        raise DataMissing(str(error)) from None
    tell(found.left, len(found), folder)
    if len(found) < FEWEST:
        aside = " ".join(found.left.sentences())
        raise DataMissing(
            f"{folder} holds {len(found)} images; at least {FEWEST} are needed." + (f" {aside}" if aside else "")
        )
    return found.images


def read_classes(folder: Path, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """Return images (N, C, H, W) in [0, 1], held as bytes, and labels (N,) of a folder that holds a folder for each class.

    Classes are numbered in order of their folders' names; those with fewer than 10 images are left out.

    Raises:
        DataMissing: no such folder, fewer than two classes, or many files that cannot be read.
    """
    if not folder.is_dir():
        raise DataMissing(f"{folder} is not a folder. Name one that holds a folder of images for each class.")
    left, parts, labels, read, classes = PassedOver(), list[np.ndarray](), list[int](), 0, 0
    for part in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")):
        files = [File(f"{part.name}/{f.name}", f.source) for f in files_below(part, left)]
        pictures, names = read_files(files, shape, "crop", left)
        read += len(names)
        if len(names) >= FEWEST_OF_CLASS:
            parts.append(pictures.numpy())
            labels += [classes] * len(names)
            classes += 1
    tell(left, read, folder)
    if classes < 2:
        raise DataMissing(
            f"{folder} holds {classes} folders of at least {FEWEST_OF_CLASS} images; at least two classes are needed."
        )
    return ByteImages.of(torch.from_numpy(np.concatenate(parts))), torch.tensor(labels)


def tell(left: PassedOver, read: int, folder: Path) -> None:
    """Warn of the pictures that could not be read; raises `DataMissing` where they are too many to be an accident."""
    if not left.broken.count:
        return
    text = left.broken_text(most=len(left.broken.files))
    if left.broken.count > MOST_BROKEN * (read + left.broken.count):
        raise DataMissing(f"{folder}: {left.broken_text()}. Remove them, or fetch them again, and start again.")
    log.warning("%s: %s; they are left out", folder, text)
