"""The files of a folder, in order: what is hidden is passed over, links are followed, and no folder is entered twice."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO

from workbench.scenarios.reading.left_out import HIDDEN, PassedOver

# What file managers and storage devices leave beside pictures; names that begin with a dot are hidden anyway.
SIDECARS = {"__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "#recycle", "system volume information"}
# What a broken file was meant to be, its ending says; a text file that is none was never meant to be a picture.
ENDINGS = {
    *(
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".jp2",
        ".j2k",
        ".jpx",
        ".png",
        ".apng",
        ".gif",
        ".webp",
        ".avif",
        ".bmp",
        ".dib",
    ),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".ico", ".tga", ".sgi", ".ras", ".qoi", ".xbm"),
}


@dataclass(frozen=True)
class File:
    """One file that may be a picture.

    Attributes:
        name: its path below the folder or archive, with slashes.
        source: where it is, or what gives its bytes.
    """

    name: str
    source: Path | Callable[[], bytes]

    def opened(self) -> Path | IO[bytes]:
        """Return what a picture is read from."""
        return self.source if isinstance(self.source, Path) else BytesIO(self.source())

    @property
    def meant(self) -> bool:
        """Whether its name says that it is a picture."""
        return PurePosixPath(self.name).suffix.lower() in ENDINGS


def hidden(name: str) -> bool:
    """Return whether one part of a path is hidden, or a file manager's own."""
    return name.startswith(".") or name.lower() in SIDECARS


def files_below(folder: Path, left: PassedOver) -> Iterator[File]:
    """Yield the regular files below `folder` in order of their paths; what is passed over is noted in `left`."""
    root = os.fspath(folder)
    yield from _walk(root, "", {_identity(os.stat(root))}, left)


def _walk(path: str, below: str, seen: set[tuple[int, int]], left: PassedOver) -> Iterator[File]:
    try:
        with os.scandir(path) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        left.add(below or path, f"folders that cannot be opened ({(error.strerror or 'unreadable').lower()})")
        return
    for entry in entries:
        name = f"{below}{entry.name}"
        if hidden(entry.name):
            left.add(name, HIDDEN)
            continue
        try:
            kind = entry.stat()  # of what a link leads to
        except OSError:
            left.add(name, "links that lead nowhere")
            continue
        if stat.S_ISDIR(kind.st_mode):
            if (identity := _identity(kind)) in seen:  # a link back, or a second one to the same place
                left.add(name, "links to folders that were read already")
                continue
            seen.add(identity)
            yield from _walk(entry.path, f"{name}/", seen, left)
        elif stat.S_ISREG(kind.st_mode):
            yield File(name, Path(entry.path))
        else:  # a pipe would be waited for without end
            left.add(name, "pipes, sockets and devices")


def _identity(kind: os.stat_result) -> tuple[int, int]:
    return kind.st_dev, kind.st_ino
