"""Files that people bring by mistake or on purpose: none crashes, none is unpacked, each gets a sentence."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from workbench.core.errors import WorkbenchError
from workbench.scenarios.reading.read import read_pictures

SHAPE = (3, 32, 32)
NOISE = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)


def stored(kind: str, image: Image.Image | None = None, **how) -> bytes:
    held = io.BytesIO()
    (image or Image.fromarray(NOISE)).save(held, kind, **how)
    return held.getvalue()


def png_that_claims(across: int, down: int) -> bytes:
    data = bytearray(stored("PNG", Image.new("1", (1, 1))))
    data[16:24] = struct.pack(">II", across, down)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


def frames(kind: str) -> bytes:
    first, *others = (Image.new("L", (20, 20), level) for level in (10, 99, 200))
    return stored(kind, first, save_all=True, append_images=others)


class Trap:
    """What runs code when it is unpickled."""

    def __reduce__(self):
        return (os.mkdir, ("ran",))


NOT_A_NUMBER = np.full((20, 20), np.nan, np.float32)
PICTURES: dict[str, tuple[bytes, str]] = {  # name to content and to what is said of it; "" where it is read
    "empty.jpg": (b"", "no kind of picture"),
    "text.jpg": (b"hello", "no kind of picture"),
    "page.png": (b"<html>404 not found</html>", "no kind of picture"),
    "drawing.png": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no kind of picture"),
    "document.jpg": (b"%PDF-1.7\n%\xe2\xe3", "no kind of picture"),
    "program.jpg": (b"MZ\x90\0" + bytes(200), "no kind of picture"),
    "postscript.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n(x) run\n", "no kind of picture"),
    "archive.png": (b"PK\3\4" + bytes(60), "no kind of picture"),
    "film.jpg": (b"\0\0\0\x18ftypmp42" + bytes(60), "no kind of picture"),
    "notes.txt": (b"who is who", "files of other kinds"),
    "cut.jpg": (stored("JPEG")[:400], "cannot be read"),
    "cut.png": (stored("PNG")[:400], "truncated"),
    "cut.gif": (stored("GIF")[:900], "cannot be read"),
    "cut.webp": (stored("WEBP")[:200], "cannot be read"),
    "cut.tif": (stored("TIFF")[:200], "cannot be read"),
    "cut.bmp": (stored("BMP")[:200], "truncated"),
    "cut.ppm": (stored("PPM")[:200], "cannot be read"),
    "head.gif": (b"GIF89a", "cannot be read"),
    "noise.jpg": (b"\xff\xd8\xff\xe0" + NOISE.tobytes()[:600], "cannot be read"),
    "loop.tif": (b"II*\0\x08\0\0\0\0\0\x08\0\0\0", "cannot be read"),
    "changed.png": (stored("PNG").replace(b"IDAT", b"IDAT\0\0", 1), "cannot be read"),
    "pixel.png": (stored("PNG", Image.new("L", (1, 1))), "1 × 1 pixels, fewer than 8"),
    "thread.png": (stored("PNG", Image.new("L", (3, 500))), "3 × 500 pixels"),
    "nothing.png": (png_that_claims(0, 0), "cannot be read"),
    "vast.png": (png_that_claims(20_000, 20_000), "more than 120,000,000"),
    "vaster.png": (png_that_claims(2**31 - 1, 2**31 - 1), "more than 120,000,000"),
    "vast.ppm": (b"P6 99999 99999 255\n" + bytes(30), "more than 120,000,000"),
    "nan.tif": (stored("TIFF", Image.fromarray(NOT_A_NUMBER)), "not finite"),
    "moving.gif": (frames("GIF"), ""),
    "moving.webp": (frames("WEBP"), ""),
    "moving.png": (frames("PNG"), ""),
    "jpeg.png": (stored("JPEG"), ""),
    "no-ending": (stored("PNG"), ""),
    "odd-exif.jpg": (stored("JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(40)), ""),
    "half.tif": (stored("TIFF", Image.fromarray(np.full((20, 20), 0.5, np.float32))), ""),
    "new\nline\x1b[31m.jpg": (b"", r"new\\nline\\x1b"),
    b"\xff\xfe.jpg".decode("utf-8", "surrogateescape"): (b"", r"\\udcff\\udcfe\.jpg"),
}


@pytest.mark.parametrize("name", PICTURES, ids=[name.encode("unicode_escape").decode() for name in PICTURES])
def test_a_bad_picture_is_left_out_with_its_reason(tmp_path, name):
    content, words = PICTURES[name]
    place = tmp_path / "set"
    place.mkdir()
    (place / name).write_bytes(content)
    found = read_pictures(place, SHAPE, classes_from="none")
    said = " ".join(found.left.sentences())
    assert len(found) == (words == "")
    assert said == "" if words == "" else re.search(words, said)
    said.encode()  # any terminal and any page can show it
    assert [p.name for p in tmp_path.iterdir()] == ["set"] and len(list(place.iterdir())) == 1


def zipped(fill: Callable[[zipfile.ZipFile], object]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        fill(archive)
    return held.getvalue()


def linked(archive: zipfile.ZipFile) -> None:
    member = zipfile.ZipInfo("a/link.png")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(member, "/etc/passwd")


def changed(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new)


def encrypted() -> bytes:
    data = bytearray(zipped(lambda z: z.writestr("a/1.png", stored("PNG"))))
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(mark) + at] |= 1
    return bytes(data)


def damaged() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("a/1.bmp", stored("BMP"))
    data = bytearray(held.getvalue())
    data[300] ^= 255
    return bytes(data)


def arrays(**kept) -> bytes:
    held = io.BytesIO()
    np.savez_compressed(held, **kept)
    return held.getvalue()


def claims(shape: str) -> bytes:
    head = ("{'descr': '|u1', 'fortran_order': False, 'shape': " + shape + "}").ljust(117) + "\n"
    return zipped(lambda z: z.writestr("images.npy", b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head.encode()))


IMAGES = np.zeros((5, 20, 20), np.uint8)
FILES: dict[str, tuple[str, bytes, str]] = {  # file name, content, what is said; "" where it is read
    "no zip": ("x.zip", b"PK or not", "cannot be read as a zip archive.*Make it again"),
    "empty": ("x.zip", b"", "cannot be read as a zip archive"),
    "cut zip": (
        "x.zip",
        zipped(lambda z: z.writestr("a/1.png", stored("PNG")))[:-30],
        "cannot be read as a zip archive",
    ),
    "nothing in it": ("x.zip", zipped(lambda z: None), "^$"),
    "bomb": ("x.zip", zipped(lambda z: z.writestr("a/1.png", bytes(100 << 20))), "grows to more than 60 times"),
    "way out": ("x.zip", zipped(lambda z: z.writestr("../../1.png", stored("PNG"))), "leads out of the archive"),
    "absolute": ("x.zip", zipped(lambda z: z.writestr("/tmp/1.png", stored("PNG"))), "leads out of the archive"),
    "drive": ("x.zip", zipped(lambda z: z.writestr("C:\\1.png", stored("PNG"))), "leads out of the archive"),
    "link": ("x.zip", zipped(linked), "links inside an archive"),
    "encrypted": ("x.zip", encrypted(), "encrypted; pack it without a password"),
    "damaged": ("x.zip", damaged(), "damaged in the archive"),
    "nested": ("x.zip", zipped(lambda z: z.writestr("in.zip", zipped(lambda y: None))), "archives inside the archive"),
    "names of bytes": (
        "x.zip",
        changed(zipped(lambda z: z.writestr("aQQ.png", stored("PNG"))), b"QQ", b"\xfc\x81"),
        "",
    ),
    "objects": ("x.npz", arrays(images=np.array([Trap()], dtype=object)), "Python objects, which could run code"),
    "pickle": ("x.npz", pickle.dumps(Trap()), "cannot be read as an .npz file"),
    "cut npz": ("x.npz", arrays(images=IMAGES)[:-40], "cannot be read as an .npz file"),
    "other arrays": ("x.npz", arrays(weights=IMAGES), "has the arrays weights; one called images"),
    "one image": ("x.npz", arrays(images=IMAGES[0]), "20 × 20 uint8; N × H × W"),
    "texts": ("x.npz", arrays(images=np.array(["a"])), "numbers are needed"),
    "few labels": ("x.npz", arrays(images=IMAGES, labels=np.arange(4)), "5 images and labels of 4 × 1"),
    "one-hot": ("x.npz", arrays(images=IMAGES, labels=np.eye(5)), "One for each image is needed"),
    "not finite": ("x.npz", arrays(images=np.full((5, 20, 20), np.nan)), "not finite"),
    "normalised": ("x.npz", arrays(images=IMAGES - 1.5), "Undo their normalisation first"),
    "half precision": ("x.npz", arrays(images=np.full((1, 20, 20), 0.5, np.float16)), ""),
    "vast claim": ("x.npz", claims("(99999, 9999, 9999)"), "says it has 9,99"),
    "odd claim": ("x.npz", claims("(-5, 20, 20)"), "cannot be read as an .npz file"),
    "cut idx": (
        "train-images-idx3-ubyte",
        b"\0\0\x08\x03" + struct.pack(">III", 9, 20, 20) + bytes(99),
        "ends after 99 of 3,600",
    ),
    "other idx": ("train-images-idx3-ubyte", b"\x7fELF", "no IDX file of bytes"),
    "idx bomb": (
        "train-images-idx3-ubyte.gz",
        gzip.compress(b"\0\0\x08\x03" + struct.pack(">III", 99999, 999, 99)),
        "can be in it",
    ),
}


@pytest.mark.parametrize("key", FILES)
def test_a_bad_file_is_refused_in_a_sentence_and_leaves_nothing_behind(tmp_path, key, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name, content, words = FILES[key]
    (tmp_path / "set").mkdir()
    path = tmp_path / "set" / name
    path.write_bytes(content)
    if "idx" in name:
        (tmp_path / "set" / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\1" + struct.pack(">I", 9) + bytes(9))
        path = tmp_path / "set"
    before = sorted(tmp_path.rglob("*"))
    try:
        found = read_pictures(path, SHAPE, classes_from="none")
        said, read = " ".join(found.left.sentences()), len(found)
    except WorkbenchError as error:
        said, read = str(error), 0
    assert sorted(tmp_path.rglob("*")) == before
    assert read == (words == "") and (words == "" or re.search(words, said)), said


def test_there_are_fifty(tmp_path):
    assert len(PICTURES) + len(FILES) >= 50


def test_what_is_not_there_is_said():
    with pytest.raises(WorkbenchError, match="is not there"):
        read_pictures(Path("/nowhere/at/all"), SHAPE)
