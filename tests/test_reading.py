"""Pictures of every kind are read upright, in eight bits and without their sidecars; what is left out is named."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
import zipfile
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from workbench.core.errors import UsageError
from workbench.scenarios.byte_images import ByteImages
from workbench.scenarios.images import read_folder
from workbench.scenarios.reading.layout import layout_of
from workbench.scenarios.reading.left_out import HIDDEN, OTHER
from workbench.scenarios.reading.picture import BrokenPicture, read_picture, size_of
from workbench.scenarios.reading.read import read_pictures

SHAPE = (3, 16, 16)
ORIENTATION = 0x0112


def slope(side: int = 16) -> np.ndarray:
    """Return a grey picture (side, side) that is brighter to the right and darker at the top left."""
    y, x = np.mgrid[0:side, 0:side] / side
    return (60 + 120 * x + 60 * y).astype(np.uint8)


def stored(image: Image.Image, kind: str, **how) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, kind, **how)
    file.seek(0)
    return file


def grey(source) -> np.ndarray:
    return read_picture(source, (1, 16, 16))[0].astype(int)


# One picture


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_stands_as_it_was_held(orientation):
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = Image.fromarray(np.repeat(slope(), 2, 1))  # 32 × 16
    tag = Image.Exif()
    tag[ORIENTATION] = orientation
    held = stored(image.transpose(turn[orientation]) if orientation in turn else image, "PNG", exif=tag)
    assert size_of(held) == (32, 16)
    assert np.array_equal(read_picture(held, (1, 16, 32))[0], np.repeat(slope(), 2, 1))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM", "BMP", "GIF", "WEBP", "ICO", "TGA", "SGI"])
def test_a_kind_is_known_by_its_content(kind):
    how = {"lossless": True} if kind == "WEBP" else {"sizes": [(16, 16)]} if kind == "ICO" else {}
    assert np.abs(grey(stored(Image.fromarray(slope()), kind, **how)) - slope()).max() <= 1


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (Image.fromarray(slope().astype(np.uint16) * 257), "PNG"),
        (Image.fromarray(slope().astype(np.uint16) * 257), "TIFF"),
        (Image.fromarray(slope().astype(np.int32) * 257), "TIFF"),
        (Image.fromarray((slope() / 255).astype(np.float32)), "TIFF"),
        (Image.fromarray(slope().astype(np.float32)), "TIFF"),
        (Image.fromarray(slope()).convert("P"), "PNG"),
        (Image.merge("CMYK", [Image.new("L", (16, 16), 0)] * 3 + [Image.fromarray(255 - slope())]), "TIFF"),
        (Image.merge("LA", [Image.fromarray(slope()), Image.new("L", (16, 16), 255)]), "PNG"),
    ],
    ids=["16 bits png", "16 bits tiff", "32 bits", "floats to 1", "floats to 255", "palette", "cmyk", "opaque alpha"],
)
def test_what_has_other_numbers_is_brought_to_eight_bits(image, kind):
    assert np.abs(grey(stored(image, kind)) - slope()).max() <= 2


def test_what_is_transparent_shows_white_and_not_what_is_hidden_behind():
    clear = Image.new("RGBA", (16, 16), (200, 0, 0, 0))
    clear.paste((0, 0, 0, 255), (0, 0, 16, 8))
    pixels = read_picture(stored(clear, "PNG"), SHAPE)
    assert (pixels[:, :7] == 0).all() and (pixels[:, 9:] == 255).all()
    palette = Image.new("P", (16, 16), 3)
    palette.putpalette([0, 0, 90] * 8)
    assert (read_picture(stored(palette, "PNG", transparency=3), SHAPE) == 255).all()


def test_of_a_moving_picture_the_first_frame_is_taken():
    frames = [Image.new("L", (16, 16), level) for level in (10, 200)]
    assert grey(stored(frames[0], "GIF", save_all=True, append_images=frames[1:])).max() == 10


def test_cropped_or_fitted_by_choice():
    wide = stored(Image.new("L", (64, 16), 200), "PNG")
    assert (read_picture(wide, (1, 16, 16), "crop") == 200).all()
    fitted = read_picture(wide, (1, 16, 16), "fit")[0]
    assert (fitted[6:10] == 200).all() and (fitted[:5] == 0).all() and (fitted[12:] == 0).all()


def png_that_claims(across: int, down: int) -> io.BytesIO:
    """Return a PNG of a pixel that says it has more."""
    data = bytearray(stored(Image.new("1", (1, 1)), "PNG").getvalue())
    data[16:24] = struct.pack(">II", across, down)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return io.BytesIO(data)


@pytest.mark.parametrize(("size", "words"), [((1, 1), "1 × 1 pixels"), ((20_000, 20_000), "more than 120,000,000")])
def test_too_small_and_too_large_are_refused_before_they_are_unpacked(size, words):
    with pytest.raises(BrokenPicture, match=words):
        read_picture(png_that_claims(*size), SHAPE)


# Many


def fill(folder, count: int = 4, ending: str = ".png", of: str = "PNG") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.new("L", (20, 20), 10 * i).save(folder / f"{i:02}{ending}", of)


def test_what_is_no_picture_is_counted_and_named(tmp_path):
    fill(tmp_path / "a")
    fill(tmp_path / "b", ending=".happy", of="GIF")
    (tmp_path / "a" / "._00.png").write_bytes(b"\0\5\x16\7")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (tmp_path / "readme.txt").write_text("not a picture")
    (tmp_path / "a" / "cut.jpg").write_bytes(stored(Image.new("L", (64, 64), 9), "JPEG").getvalue()[:200])
    (tmp_path / "b" / "page.png").write_text("<html>404</html>")
    (tmp_path / "b" / "gone.png").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.png")
    found = read_pictures(tmp_path, SHAPE)
    assert len(found) == 8 == len(found.images) and found.names == sorted(found.names)
    assert [name for name, _ in found.left.broken.files] == ["a/cut.jpg", "b/page.png"]
    assert {why: p.count for why, p in found.left.quiet.items()} == {
        HIDDEN: 3,
        OTHER: 1,
        "links that lead nowhere": 1,
        "pipes, sockets and devices": 1,
    }
    said = " ".join(found.left.sentences())
    assert "2 pictures cannot be read: a/cut.jpg (" in said and "readme.txt" in said


def test_links_are_followed_once(tmp_path):
    fill(tmp_path / "set" / "a")
    fill(tmp_path / "elsewhere")
    (tmp_path / "set" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "a" / "back").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "c").symlink_to("c")
    found = read_pictures(tmp_path / "set", SHAPE)
    assert len(found) == 8 and set(found.layout.classes) == {"a", "b"}
    assert found.left.quiet["links to folders that were read already"].files == [("a/back", "")]


def test_a_few_broken_pictures_are_left_out_with_a_warning_and_many_are_refused(tmp_path, caplog):
    fill(tmp_path / "n0001", 70)
    for name in ("n0001/05.png", "n0001/09.png"):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:50])
    images = read_folder(tmp_path, SHAPE)
    assert len(images) == 68 and images.names[5] == "n0001/06.png"
    assert "n0001/05.png" in caplog.text and "n0001/09.png" in caplog.text


def test_a_picture_takes_its_bytes_and_no_more(tmp_path):
    """One buffer: what is picked of it is float, and all of it never is."""
    fill(tmp_path, 70)
    images = read_folder(tmp_path, (3, 64, 64))
    assert isinstance(images, ByteImages) and images.bytes.dtype == torch.uint8
    assert images.bytes.untyped_storage().nbytes() <= 70 * 15_000
    assert images.dtype == torch.float32 and images[torch.tensor([3])].amax() == 30 / 255
    assert isinstance(images[:5], ByteImages) and isinstance(images.to("cpu"), ByteImages)
    assert torch.equal(images + 0, images.bytes.float() / 255) and images.amax() <= 1
    assert torch.equal(torch.cat([*images.split(32)]), images[:] * 1)
    with pytest.raises(TypeError, match="not written to"):
        images.mul_(2)


# Where the classes are


@pytest.mark.parametrize(
    ("names", "classes", "parts"),
    [
        (["a/1.png", "b/1.png"], ["a", "b"], None),
        (["set/a/1.png", "set/b/1.png"], ["a", "b"], None),
        (["actors/Ann/1.png", "actresses/Bea/1.png", "actors/Cay/1.png"], ["Ann", "Bea", "Cay"], None),
        (["train/a/1.png", "val/a/2.png", "test/b/1.png"], ["a", "a", "b"], ["train", "heldout", "heldout"]),
        (["set/train/a/1.png", "set/train/b/2.png"], ["a", "b"], ["train", "train"]),
        (["a/day1/1.png", "a/day2/1.png", "b/day1/1.png", "b/day2/2.png"], ["a", "a", "b", "b"], None),
        (["1.png", "2.png"], [None, None], None),
        (["set/1.png", "set/2.png"], ["set", "set"], None),
        (["a/1.png", "stray.png"], ["a", None], None),
    ],
)
def test_layouts_are_recognised(names, classes, parts):
    found = layout_of(names)
    assert found.classes == classes and found.parts == (parts or [None] * len(names))


def test_sides_are_recognised():
    found = layout_of(["private/a/1.png", "private/b/1.png", "public/c/1.png", "public/2.png"])
    assert found.classes == ["a", "b", "c", None] and found.sides == ["private"] * 2 + ["public"] * 2


def test_what_may_be_read_in_two_ways_is_asked_about():
    names = ["x/Ann/1.png", "x/Bea/1.png", "y/Cay/1.png"]
    with pytest.raises(UsageError, match=r"x/Ann: is 'x' the class \(2 of them\), or 'Ann' \(3 of them\)"):
        layout_of(names)
    assert layout_of(names, "first").classes == ["x", "x", "y"]
    assert layout_of(names, "last").classes == ["Ann", "Bea", "Cay"]
    assert not layout_of(names, "none").has_classes


# Archives and arrays


def test_a_zip_is_read_as_its_folder_and_nothing_is_unpacked(tmp_path):
    fill(tmp_path / "set" / "a")
    fill(tmp_path / "set" / "b")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in sorted((tmp_path / "set").rglob("*.png")):
            archive.write(file, file.relative_to(tmp_path))
            archive.writestr(f"__MACOSX/{file.parent.name}/._{file.name}", b"\0\5\x16\7")
        archive.writestr("../../out.png", b"x")
    before = sorted(tmp_path.rglob("*"))
    found, folder = read_pictures(tmp_path / "set.zip", SHAPE), read_pictures(tmp_path / "set", SHAPE)
    assert torch.equal(found.images.bytes, folder.images.bytes) and found.layout.classes == folder.layout.classes
    assert found.left.broken.files == [("../../out.png", "its name leads out of the archive")]
    assert found.left.quiet[HIDDEN].count == 8 and sorted(tmp_path.rglob("*")) == before


IMAGES = np.stack([np.full((16, 16), 40 * i, np.uint8) for i in range(6)])


@pytest.mark.parametrize(
    ("arrays", "classes", "parts"),
    [
        ({"images": IMAGES, "labels": np.arange(6) % 2}, ["0", "1"] * 3, [None] * 6),
        ({"x": IMAGES / 255, "y": np.arange(6)[:, None] % 2}, ["0", "1"] * 3, [None] * 6),
        ({"arr_0": np.repeat(IMAGES[:, None], 3, 1)}, [None] * 6, [None] * 6),
        ({"data": IMAGES.astype(np.uint16) * 257, "target": np.array(list("ababab"))}, list("ababab"), [None] * 6),
        (
            {"x_train": IMAGES[:4], "y_train": np.arange(4), "x_test": IMAGES[4:], "y_test": np.arange(2)},
            ["0", "1", "2", "3", "0", "1"],
            ["train"] * 4 + ["heldout"] * 2,
        ),
        (
            {"images": IMAGES, "labels": np.arange(6) % 2, "names": np.array(["hand", "chest"])},
            ["hand", "chest"] * 3,
            [None] * 6,
        ),
    ],
    ids=["images", "floats", "channels first", "sixteen bits", "keras", "named"],
)
def test_arrays_are_read(tmp_path, arrays, classes, parts):
    np.savez_compressed(tmp_path / "set.npz", **arrays)
    found = read_pictures(tmp_path / "set.npz", SHAPE)
    assert found.layout.classes == classes and found.layout.parts == parts
    assert torch.equal(found.images.bytes[:, 0, 8, 8], torch.arange(6, dtype=torch.uint8) * 40)


def test_pictures_packed_into_one_array_are_read(tmp_path):
    files = [stored(Image.fromarray(image), "JPEG", quality=95).getvalue() for image in IMAGES]
    offsets = np.cumsum([0, *map(len, files)])
    data = np.frombuffer(b"".join(files), np.uint8)
    np.savez(tmp_path / "pack.npz", jpeg=data, offsets=offsets, labels=np.arange(6), names=np.array(list("abcdef")))
    found = read_pictures(tmp_path / "pack.npz", SHAPE)
    assert (
        found.layout.classes == list("abcdef")
        and (found.images.bytes[:, 0, 8, 8] - 40 * torch.arange(6)).abs().max() <= 2
    )


def test_torchvisions_files_are_read_without_running_a_pickle(tmp_path):
    raw = tmp_path / "mnist" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, n in (("train", 4), ("t10k", 2)):
        head = b"\0\0\x08\x03" + np.array([n, 16, 16], ">u4").tobytes()
        (raw / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + IMAGES[:n].tobytes()))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(
            b"\0\0\x08\x01" + np.array([n], ">u4").tobytes() + bytes(range(n))
        )
    found = read_pictures(tmp_path / "mnist", SHAPE)
    assert found.layout.classes == ["0", "1", "2", "3", "0", "1"] and found.layout.parts[-1] == "heldout"
    cifar = tmp_path / "cifar" / "cifar-10-batches-py"
    cifar.mkdir(parents=True)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        batch = {"data": np.full((2, 3072), 7, np.uint8), "labels": [0, 1]}
        (cifar / name).write_bytes(pickle.dumps(batch))
    (cifar / "batches.meta").write_bytes(pickle.dumps({"label_names": ["plane", "car"]}))
    found = read_pictures(tmp_path / "cifar", (3, 32, 32))
    assert len(found) == 12 and found.layout.classes[:2] == ["plane", "car"] and (found.images.bytes == 7).all()
    (cifar / "test_batch").write_bytes(pickle.dumps(Trap(str(tmp_path / "ran"))))
    with pytest.raises(UsageError, match="may hold code"):
        read_pictures(tmp_path / "cifar", (3, 32, 32))
    assert not (tmp_path / "ran").exists()


class Trap:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (self.path,))
