"""Pictures in a zip archive, read member by member: nothing is unpacked to the disk, and limits hold while it streams."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from workbench.core.errors import UsageError
from workbench.scenarios.reading.files import File, hidden
from workbench.scenarios.reading.left_out import HIDDEN, PassedOver
from workbench.scenarios.reading.picture import BrokenPicture

MOST_MEMBER = 256 << 20  # bytes of one file, unpacked
MOST_MEMBERS = 2_000_000
GROWTH, SLACK = 60, 64 << 20  # an archive of pictures grows little when it is unpacked
PIECE = 1 << 20
ARCHIVES = {".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".bz2", ".xz"}


class Unpacked:
    """Counts what comes out of one archive, and stops at what no archive of pictures needs."""

    def __init__(self, archive: Path) -> None:
        self.archive, self.bytes = archive, 0
        self.most = GROWTH * archive.stat().st_size + SLACK

    def count(self, piece: bytes) -> None:
        self.bytes += len(piece)
        if self.bytes > self.most:
            raise UsageError(
                f"{self.archive.name} grows to more than {GROWTH} times its size when it is unpacked, as no archive of "
                "pictures does. Unpack it by hand, look at what is in it, and name the folder instead."
            )


@contextmanager
def archive_at(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive; raises `UsageError` for what is none, is damaged, or holds too many files."""
    try:
        with zipfile.ZipFile(path) as archive:
            if len(archive.infolist()) > MOST_MEMBERS:
                raise UsageError(f"{path.name} holds more than {MOST_MEMBERS:,} files. Bring fewer at once.")
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise UsageError(
            f"{path.name} cannot be read as a zip archive ({' '.join(str(error).split())[:80] or 'it is damaged'}). "
            "Make it again, or name the folder itself."
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be opened ({(error.strerror or str(error)).lower()}).") from None


def files_in(archive: zipfile.ZipFile, path: Path, left: PassedOver) -> Iterator[File]:
    """Yield the files of an archive in order of their names; what is passed over is noted in `left`."""
    unpacked = Unpacked(path)
    for member in sorted(archive.infolist(), key=lambda member: member.filename):
        name = member.filename.replace("\\", "/")
        parts = PurePosixPath(name).parts
        if member.is_dir():
            continue
        if name.startswith("/") or ".." in parts or (parts and parts[0].endswith(":")):
            left.add_broken(name, "its name leads out of the archive")
        elif any(hidden(part) for part in parts):
            left.add(name, HIDDEN)
        elif stat.S_ISLNK(member.external_attr >> 16):
            left.add(name, "links inside an archive")
        elif member.flag_bits & 1:
            left.add_broken(name, "encrypted; pack it without a password")
        elif PurePosixPath(name).suffix.lower() in ARCHIVES:
            left.add(name, "archives inside the archive")
        elif member.file_size > MOST_MEMBER:
            left.add_broken(name, f"more than {MOST_MEMBER >> 20} MB unpacked")
        else:
            yield File(name, _reader(archive, member, unpacked))


def _reader(archive: zipfile.ZipFile, member: zipfile.ZipInfo, unpacked: Unpacked) -> Callable[[], bytes]:
    def read() -> bytes:
        pieces, size = [], 0
        try:
            with archive.open(member) as stream:
                while piece := stream.read(PIECE):
                    unpacked.count(piece)
                    size += len(piece)
                    if size > MOST_MEMBER:
                        raise BrokenPicture(f"more than {MOST_MEMBER >> 20} MB unpacked")
                    pieces.append(piece)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
            raise BrokenPicture(f"damaged in the archive: {' '.join(str(error).split())[:60]}") from None
        return b"".join(pieces)

    return read
