"""Pictures in ``.npz`` files and in the files of torchvision's data sets, which are arrays and not pictures."""

from __future__ import annotations

import gzip
import io
import math
import pickle
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from workbench.core.errors import UsageError
from workbench.scenarios.reading.left_out import PassedOver
from workbench.scenarios.reading.picture import BrokenPicture, Fitting, NotAPicture, fitted, read_picture

MOST_BYTES = 32 << 30  # of one array, as its header says
GROWTH, SLACK = 200, 64 << 20  # blank margins and labels shrink more than pictures in files do
IMAGES = ("images", "image", "imgs", "pictures", "x", "data", "arr_0", "faces")
LABELS = ("labels", "label", "y", "targets", "target", "identity", "identities", "arr_1")
PARTS = {"train": "train", "val": "heldout", "valid": "heldout", "test": "heldout"}
NAMES = ("class_names", "classes", "target_names", "names", "people")
IDX = {"train": "train", "t10k": "heldout"}  # as MNIST, Fashion-MNIST, KMNIST and QMNIST call their files
CIFAR = {  # folder to its batches of training and of test images, and what labels are called in them
    "cifar-10-batches-py": (tuple(f"data_batch_{i}" for i in range(1, 6)), ("test_batch",), "labels", "batches.meta"),
    "cifar-100-python": (("train",), ("test",), "fine_labels", "meta"),
}


@dataclass(frozen=True, eq=False)
class Stack:
    """Images of one part of a data set.

    Attributes:
        part: "train", "heldout" or None.
        image: gives the i-th of them as uint8 (C, H, W) of a shape, or raises `BrokenPicture`.
        count: how many.
        labels: of each; None where there are none.
        names: of the classes, or of each image; empty where nothing says so.
    """

    part: str | None
    image: Callable[[int, tuple[int, int, int], Fitting], np.ndarray]
    count: int
    labels: Sequence[Any] | None
    names: Sequence[str] = ()


def stacks_of(path: Path, left: PassedOver) -> list[Stack] | None:
    """Return what a file or folder holds in arrays, or None where it is no such file or folder.

    Raises:
        UsageError: it is one, and cannot be read.
    """
    if path.is_file() and path.suffix.lower() == ".npz":
        return npz_stacks(path)
    if path.is_dir():
        return idx_stacks(path) or cifar_stacks(path) or npz_folder(path)
    return None


# Arrays of numpy


def npz_folder(folder: Path) -> list[Stack]:
    """Return the images of a folder whose data are ``.npz`` files alone; a name with train or test says which part it is."""
    files = sorted(f for f in folder.iterdir() if f.is_file() and not f.name.startswith("."))
    arrays = [f for f in files if f.suffix.lower() == ".npz"]
    if not arrays or any(f.suffix.lower() not in (".npz", ".txt", ".md", ".json") for f in files):
        return []
    stacks = []
    for file in arrays:
        words = re.split(r"[^a-z]+", file.stem.lower())
        part = next((PARTS[word] for word in words if word in PARTS), None)
        stacks += [replace(stack, part=stack.part or part) for stack in npz_stacks(file)]
    return stacks


def npz_stacks(path: Path) -> list[Stack]:
    """Return the images of an ``.npz`` file: ``images`` and ``labels``, ``x_train`` and so on, or JPEGs and their offsets."""
    try:
        _check_sizes(path)
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, MemoryError) as error:
        if "pickle" in str(error).lower():
            raise UsageError(
                f"{path.name} holds Python objects, which could run code when they are read. Save images and labels as "
                "plain arrays: numpy.savez(file, images=uint8 array, labels=array)."
            ) from None
        raise UsageError(
            f"{path.name} cannot be read as an .npz file ({' '.join(str(error).split())[:80]}). Save it again with "
            "numpy.savez(file, images=..., labels=...)."
        ) from None
    by_name = {key.lower(): array for key, array in arrays.items()}
    if {"jpeg", "offsets"} <= by_name.keys():
        return [_jpegs(by_name)]
    stacks = []
    for part, kind in ((None, None), *PARTS.items()):
        if (images := _named(by_name, IMAGES, part)) is not None:
            labels = _named(by_name, LABELS, part)
            stacks.append(_stack(images, labels, kind, _class_names(by_name, labels), path))
    if not stacks:
        raise UsageError(
            f"{path.name} has the arrays {', '.join(arrays) or 'none'}; one called images (or x, data, x_train) is needed, "
            "N × H × W or N × H × W × 3, and for classes one called labels."
        )
    return stacks


def _check_sizes(path: Path) -> None:
    """Raise `UsageError` for an array whose header asks for more memory than any data set needs."""
    with zipfile.ZipFile(path) as archive:
        unpacked, most = sum(m.file_size for m in archive.infolist()), most_unpacked(path)
        if unpacked > most:
            raise UsageError(
                f"{path.name} grows to {unpacked:,} bytes when it is unpacked; at most {most:,} are read. Save it without "
                "compression: numpy.savez(file, images=..., labels=...)."
            )
        for member in archive.infolist():
            with archive.open(member) as stream:
                version = np.lib.format.read_magic(stream)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, dtype = read(stream)
            size = math.prod(shape) * dtype.itemsize
            if size > MOST_BYTES or size > member.file_size:
                raise UsageError(
                    f"{path.name}: the array {member.filename} says it has {size:,} bytes; "
                    f"{'there are ' + format(member.file_size, ',') if size > member.file_size else 'at most ' + format(MOST_BYTES, ',')}."
                )


def most_unpacked(path: Path) -> int:
    """Return how many bytes may come out of a compressed file of arrays; pictures never shrink to so little."""
    return min(MOST_BYTES, GROWTH * path.stat().st_size + SLACK)


def _named(arrays: Mapping[str, np.ndarray], names: Sequence[str], part: str | None) -> np.ndarray | None:
    for name in names:
        for key in (name,) if part is None else (f"{name}_{part}", f"{part}_{name}"):
            if key in arrays:
                return arrays[key]
    return None


def _class_names(arrays: Mapping[str, np.ndarray], labels: np.ndarray | None) -> list[str]:
    """Return the names of the classes, where an array has one for each; names of the images themselves are none."""
    found = next((arrays[name] for name in NAMES if name in arrays), None)
    if (
        found is None
        or labels is None
        or found.dtype.kind not in "US"
        or found.ndim != 1
        or labels.dtype.kind not in "ui"
    ):
        return []
    of_images = len(found) == labels.size and len(np.unique(labels)) != len(found)
    return [] if of_images or int(labels.max(initial=0)) >= len(found) else [_text(n) for n in found]


def _text(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _stack(images: np.ndarray, labels: np.ndarray | None, part: str | None, names: Sequence[str], path: Path) -> Stack:
    if images.ndim == 4 and images.shape[1] in (1, 3) and images.shape[3] not in (1, 3, 4):
        images = images.transpose(0, 2, 3, 1)
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if not (images.ndim == 3 or (images.ndim == 4 and images.shape[3] in (3, 4))) or images.dtype.kind not in "uifb":
        raise UsageError(
            f"{path.name}: the images are an array of {' × '.join(map(str, images.shape))} {images.dtype}; "
            "N × H × W, N × H × W × 3 or N × 3 × H × W numbers are needed."
        )
    if labels is not None:
        labels = labels.reshape(len(labels), -1)
        if len(labels) != len(images) or labels.shape[1] != 1:
            raise UsageError(
                f"{path.name}: {len(images)} images and labels of {' × '.join(map(str, labels.shape))}. One for each image "
                "is needed."
            )
        labels = labels[:, 0]
    top = _top(images, path)

    def image(i: int, shape: tuple[int, int, int], how: Fitting) -> np.ndarray:
        pixels = images[i] if top is None else _in_bytes(images[i], top)
        return fitted(Image.fromarray(pixels), shape[0], (shape[2], shape[1]), how)

    return Stack(part, image, len(images), None if labels is None else labels.tolist(), names)


def _top(images: np.ndarray, path: Path) -> float | None:
    """Return the number that is white, None for images in bytes; raises `UsageError` where no usual range has them all."""
    if images.dtype == np.uint8:
        return None
    if images.dtype == np.bool_:
        return 1.0
    low, high = float(images.min(initial=0)), float(images.max(initial=0))
    if not math.isfinite(low + high):
        raise UsageError(f"{path.name}: the images hold values that are not finite. Save them again without.")
    if low < 0:
        raise UsageError(
            f"{path.name}: the images range from {low:g} to {high:g}. Undo their normalisation first: 0 to 1, or 0 to 255."
        )
    if images.dtype.kind == "f" and high <= 1:
        return 1.0
    return next((top for top in (255.0, 65535.0) if high <= top), high)


def _in_bytes(pixels: np.ndarray, top: float) -> np.ndarray:
    return (pixels.astype(np.float64) * (255 / top) + 0.5).clip(0, 255).astype(np.uint8)


def _jpegs(arrays: Mapping[str, np.ndarray]) -> Stack:
    """Return pictures that lie in one array of bytes, as compressed files one after the other."""
    data, offsets = arrays["jpeg"], arrays["offsets"]
    if data.dtype != np.uint8 or offsets.ndim != 1 or len(offsets) < 2 or (np.diff(offsets.astype(np.int64)) < 0).any():
        raise UsageError(
            "The arrays jpeg and offsets do not fit: bytes, and where each picture begins and the last ends."
        )

    def image(i: int, shape: tuple[int, int, int], how: Fitting) -> np.ndarray:
        try:
            return read_picture(io.BytesIO(data[offsets[i] : offsets[i + 1]].tobytes()), shape, how)
        except NotAPicture:
            raise BrokenPicture("no kind of picture that is read") from None

    labels = next((arrays[name] for name in LABELS if name in arrays), None)
    if labels is not None and labels.size != len(offsets) - 1:
        labels = None
    return Stack(
        None, image, len(offsets) - 1, None if labels is None else labels.ravel().tolist(), _class_names(arrays, labels)
    )


# Files of torchvision's data sets


def idx_stacks(folder: Path) -> list[Stack]:
    """Return the images of MNIST's kind of files, ``train-images-idx3-ubyte`` and so on, gzipped or not."""
    stacks = []
    for place in (folder, folder / "raw", folder / "MNIST" / "raw", folder / "FashionMNIST" / "raw"):
        for prefix, part in IDX.items():
            images = next((f for f in sorted(place.glob(f"{prefix}-images*idx3-ubyte*")) if f.is_file()), None)
            labels = next((f for f in sorted(place.glob(f"{prefix}-labels*idx1-ubyte*")) if f.is_file()), None)
            if images is not None and labels is not None:
                stacks.append(_stack(read_idx(images), read_idx(labels), part, (), images))
        if stacks:
            break
    return stacks


def read_idx(path: Path) -> np.ndarray:
    """Return the bytes of an IDX file as uint8 of its own shape; raises `UsageError`."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            head = stream.read(4)
            if len(head) < 4 or head[:3] != b"\0\0\x08":
                raise UsageError(f"{path} is no IDX file of bytes, as MNIST has them. Download it again.")
            shape = tuple(np.frombuffer(stream.read(4 * head[3]), ">u4").tolist())
            wanted = math.prod(shape)
            if wanted > (most := most_unpacked(path)):
                raise UsageError(
                    f"{path} says it holds {wanted:,} bytes; at most {most:,} can be in it. Download it again."
                )
            data = stream.read(wanted)
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path} cannot be read ({str(error)[:80]}). Download it again.") from None
    if len(data) != wanted:
        raise UsageError(f"{path} ends after {len(data):,} of {wanted:,} bytes. Download it again.")
    return np.frombuffer(data, np.uint8).reshape(shape)


def cifar_stacks(folder: Path) -> list[Stack]:
    """Return the images of CIFAR-10 or CIFAR-100 as torchvision unpacks them, without running what a pickle might hold."""
    for inside, (train, test, labels, meta) in CIFAR.items():
        place = folder if folder.name == inside else folder / inside
        if not (place / train[0]).is_file():
            continue
        names = [_text(n) for n in _names_of(place / meta)]
        stacks = []
        for part, files in (("train", train), ("heldout", test)):
            batches = [read_plain_pickle(place / file) for file in files if (place / file).is_file()]
            if batches:
                try:
                    data = np.concatenate([np.asarray(b["data"], np.uint8).reshape(-1, 3, 32, 32) for b in batches])
                    numbers = np.concatenate([np.asarray(b[labels], np.int64) for b in batches])
                except (KeyError, ValueError, TypeError):
                    raise UsageError(f"{place} is not CIFAR as torchvision unpacks it. Download it again.") from None
                stacks.append(_stack(data, numbers, part, names, place))
        return stacks
    return []


def _names_of(path: Path) -> Sequence[Any]:
    if not path.is_file():
        return ()
    told = read_plain_pickle(path)
    return told.get("label_names") or told.get("fine_label_names") or ()


class PlainUnpickler(pickle.Unpickler):
    """Reads a pickle of dictionaries, lists, texts, numbers and numpy arrays, and refuses to look up anything else."""

    ALLOWED: ClassVar = {
        ("_reconstruct", "multiarray"),
        ("ndarray", "numpy"),
        ("dtype", "numpy"),
        ("encode", "_codecs"),
    }

    def find_class(self, module: str, name: str) -> Any:
        if (name, module.rpartition(".")[2]) in self.ALLOWED and module.split(".")[0] in ("numpy", "_codecs"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def read_plain_pickle(path: Path) -> dict[str, Any]:
    """Return the dictionary in a pickle that holds plain data alone; raises `UsageError` for any other."""
    try:
        with path.open("rb") as stream:
            found = PlainUnpickler(stream, encoding="latin1").load()
    except Exception as error:  # a damaged pickle may fail in any way
        raise UsageError(
            f"{path} is not read: {str(error)[:100]}. A pickle may hold code; only plain arrays are taken out of one."
        ) from None
    if not isinstance(found, dict):
        raise UsageError(f"{path} holds no dictionary of arrays.")
    return found


def rows_of(stacks: Sequence[Stack]) -> Iterator[tuple[Stack, int]]:
    """Yield each stack with each of its rows."""
    for stack in stacks:
        for i in range(stack.count):
            yield stack, i
