"""Reading whatever pictures somebody brings into one buffer of bytes, with what was left out and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from workbench.core.errors import UsageError
from workbench.scenarios.byte_images import ByteImages
from workbench.scenarios.reading.archives import archive_at, files_in
from workbench.scenarios.reading.arrays import Stack, stacks_of
from workbench.scenarios.reading.files import File, files_below
from workbench.scenarios.reading.layout import ClassesFrom, Layout, layout_of
from workbench.scenarios.reading.left_out import OTHER, PassedOver, printable
from workbench.scenarios.reading.picture import BrokenPicture, Fitting, NotAPicture, PictureCut, read_picture

MOST = 2_000_000  # pictures in one place

Shape = tuple[int, int, int]
Progress = Callable[[int, int], None]  # is told how many of how many files were looked at


@dataclass(frozen=True, eq=False)
class PicturesRead:
    """Pictures from one place.

    Attributes:
        images: (N, C, H, W) in [0, 1], held as bytes.
        names: of the N pictures, below their folder or archive.
        layout: what their places say of classes and parts.
        left: what was passed over.
    """

    images: ByteImages
    names: list[str]
    layout: Layout
    left: PassedOver = field(default_factory=PassedOver)

    def __len__(self) -> int:
        return len(self.names)


@contextmanager
def files_at(path: Path, left: PassedOver) -> Iterator[list[File]]:
    """Give the files of a folder or a zip archive, in order; they can be read as long as it is open.

    Raises:
        UsageError: there is no such place, it is neither, or it holds too many files.
    """
    if path.is_dir():
        yield _few(files_below(path, left), path)
    elif path.is_file():
        with archive_at(path) as archive:
            yield _few(files_in(archive, path, left), path)
    else:
        raise UsageError(f"{path} is not there. Name a folder of pictures, a .zip of one, or an .npz file.")


def _few(files: Iterator[File], path: Path) -> list[File]:
    found = []
    for file in files:
        found.append(file)
        if len(found) > MOST:
            raise UsageError(f"{path} holds more than {MOST:,} files. Bring fewer at once.")
    return found


def read_pictures(
    path: Path,
    shape: Shape,
    how: Fitting = "crop",
    classes_from: ClassesFrom = "auto",
    progress: Progress | None = None,
    cut: PictureCut | None = None,
) -> PicturesRead:
    """Return every picture of a folder, a zip archive, an ``.npz`` file or a data set as torchvision unpacks it.

    Args:
        shape: (C, H, W) that each is brought to.
        how: "crop" or "fit", see `read_picture`.
        classes_from: which folder is the class, see `layout_of`.
        progress: is told how far it is.
        cut: the part of each picture to keep first; arrays are taken whole.

    Raises:
        UsageError: no such place, not to be read as a whole, or folders that may be read in two ways.
    """
    left = PassedOver()
    if (stacks := stacks_of(path, left)) is not None and stacks:
        return _of_stacks(stacks, shape, how, left, progress)
    with files_at(path, left) as files:
        images, names = read_files(files, shape, how, left, progress, cut)
    return PicturesRead(ByteImages.of(images, names), names, layout_of(names, classes_from), left)


def read_files(
    files: Sequence[File],
    shape: Shape,
    how: Fitting,
    left: PassedOver,
    progress: Progress | None = None,
    cut: PictureCut | None = None,
) -> tuple[torch.Tensor, list[str]]:
    """Return the pictures among files, uint8 (N, C, H, W) in one buffer, and their paths; what is none is noted in `left`."""
    buffer = np.empty((len(files), *shape), np.uint8)  # untouched pages of it take no memory
    names: list[str] = []
    for i, file in enumerate(files):
        try:
            buffer[len(names)] = read_picture(file.opened(), shape, how, cut)
        except NotAPicture as error:
            if file.meant:
                left.add_broken(file.name, str(error))
            else:
                left.add(file.name, OTHER)
        except BrokenPicture as error:
            left.add_broken(file.name, str(error))
        else:
            names.append(file.name)
        if progress is not None:
            progress(i + 1, len(files))
    return torch.from_numpy(buffer[: len(names)]), names


def _of_stacks(
    stacks: Sequence[Stack], shape: Shape, how: Fitting, left: PassedOver, progress: Progress | None
) -> PicturesRead:
    total = sum(stack.count for stack in stacks)
    if total > MOST:
        raise UsageError(f"There are {total:,} images in these arrays; at most {MOST:,} are read.")
    buffer = np.empty((total, *shape), np.uint8)
    names: list[str] = []
    classes: list[str | None] = []
    parts: list[str | None] = []
    for stack in stacks:
        called = _class_names(stack)
        for i in range(stack.count):
            name = f"{stack.part or 'image'} {i}"
            try:
                buffer[len(names)] = stack.image(i, shape, how)
            except BrokenPicture as error:
                left.add_broken(name, str(error))
                continue
            names.append(name)
            classes.append(None if stack.labels is None else called(stack.labels[i]))
            parts.append(stack.part)
            if progress is not None:
                progress(len(names), total)
    text = "arrays with labels" if any(c is not None for c in classes) else "arrays without labels"
    return PicturesRead(
        ByteImages.of(torch.from_numpy(buffer[: len(names)]), names),
        names,
        Layout(text, classes, parts, [None] * len(names)),
        left,
    )


def _class_names(stack: Stack) -> Callable[[object], str]:
    """Return what calls a label by its class's name, or by its number with zeros so that they sort."""
    labels = stack.labels or ()
    numbers = [label for label in labels if isinstance(label, int)]
    width = len(str(max(numbers, default=0)))

    def called(label: object) -> str:
        if isinstance(label, int):
            return printable(stack.names[label]) if 0 <= label < len(stack.names) else f"{label:0{width}d}"
        return printable(str(label))

    return called
