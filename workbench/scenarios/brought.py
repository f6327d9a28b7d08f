"""Pictures that somebody brings to be judged: made by any tool, in any of the layouts in use, of any size."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from workbench.core.errors import UsageError
from workbench.scenarios.base import Scenario
from workbench.scenarios.reading.files import File, files_below
from workbench.scenarios.reading.left_out import PassedOver
from workbench.scenarios.reading.picture import BrokenPicture, NotAPicture, read_picture, size_of

FILES, CLASSES = ("file", "filename", "path", "image"), ("class", "label", "target", "identity")  # names of CSV columns
NUMBER = re.compile(r"\D{0,10}?(\d+)(?!\d)")  # of a folder: 12, class_12, s12
BEGINS = re.compile(
    r"(?:(?:class|label|person|id|target)[ _-]?)?(\d+)(?!\d)", re.I
)  # of a file: 12_3.png, class_12-0.png
MOST = 100_000


@dataclass(frozen=True, eq=False)
class Brought:
    """Pictures to be judged.

    Attributes:
        names: of the N files, below the folder.
        images: (N, C, H, W) in [0, 1], fitted to the scenario.
        labels: (N,) the class each was made for; None where nothing says so.
        layout: in words, how the classes were found.
        fitted: how many had another size, and were cut to the middle and resized.
    """

    names: list[str]
    images: Tensor
    labels: Tensor | None
    layout: str
    fitted: int


def read_brought(folder: Path, scenario: Scenario) -> Brought:
    """Read a folder of pictures: a CSV that names files and classes, a folder for each class, or names that begin with it.

    A class is its number or its name. Where none of the three is there, the pictures are of nobody in particular.

    Raises:
        UsageError: no such folder, no picture or too many in it, one that cannot be read, or a class that does not exist.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder. Name one that holds pictures.")
    found = [file for file in files_below(folder, PassedOver()) if _may_be(file)]
    if not 1 <= len(found) <= MOST:
        raise UsageError(f"{folder} holds {len(found)} pictures; 1 to {MOST:,} can be judged at once.")
    layout, said = _classes_said(folder, [file.name for file in found])
    known = [file for file in found if said is None or file.name in said]
    if not known:
        raise UsageError(f"The {layout} of {folder} names none of its {len(found)} pictures.")
    images, fitted = _read(known, folder, scenario.input_shape)
    names = [file.name for file in known]
    labels = None if said is None else torch.tensor([_class_of(said[name], name, scenario) for name in names])
    return Brought(names, images, labels, layout, fitted)


def _may_be(file: File) -> bool:
    """Return whether a file is a picture by its name, or by its content whatever its name is."""
    if file.meant:
        return True
    try:
        size_of(file.opened())
    except (NotAPicture, BrokenPicture):
        return False
    return True


def _classes_said(folder: Path, names: Sequence[str]) -> tuple[str, Mapping[str, str] | None]:
    """Return the layout in words, and each picture's class as a text; None where no layout says so."""
    for table in sorted(folder.glob("*.csv")):
        return f"table {table.name}", _table(table, folder)
    parents = {name: Path(name).parts[0] for name in names if len(Path(name).parts) > 1}
    if len(parents) == len(names):
        return "a folder for each class", parents
    numbers = {name: found[1] for name in names if (found := BEGINS.match(Path(name).name))}
    if len(numbers) == len(names):
        return "names that begin with the class", numbers
    return "no classes", None


def _table(table: Path, folder: Path) -> dict[str, str]:
    with table.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = csv.DictReader(file)
        columns = {(c or "").strip().lower(): c for c in rows.fieldnames or ()}
        at, of = (next((columns[c] for c in wanted if c in columns), None) for wanted in (FILES, CLASSES))
        if at is None or of is None:
            raise UsageError(
                f"{table} has no columns for files ({', '.join(FILES)}) and classes ({', '.join(CLASSES)}) in its first line."
            )
        return {str(Path((row[at] or "").strip())): (row[of] or "").strip() for row in rows}


def _class_of(text: str, name: str, scenario: Scenario) -> int:
    """Return the class that a text names: its number, its name, or a name that ends in its number."""
    plain = text.replace("_", " ").strip().lower()
    names = [n.lower() for n in scenario.class_names]
    if plain in names:
        return names.index(plain)
    found = NUMBER.fullmatch(text.strip())
    if found is None or int(found[1]) >= scenario.num_classes:
        raise UsageError(
            f"{name}: '{text[:60]}' is no class of {scenario.key}. It has {scenario.num_classes} classes, numbered from 0: "
            f"{', '.join(scenario.class_names[:4])} and so on."
        )
    return int(found[1])


def _read(files: Sequence[File], folder: Path, shape: tuple[int, int, int]) -> tuple[Tensor, int]:
    """Return all files as pictures and how many had another size; raises `UsageError` that names every one that is none."""
    images, left, fitted = [], PassedOver(), 0
    for file in files:
        try:
            fitted += size_of(file.opened()) != (shape[2], shape[1])
            images.append(read_picture(file.opened(), shape))
        except (NotAPicture, BrokenPicture) as error:
            left.add_broken(file.name, str(error))
    if left.broken.count:
        raise UsageError(f"{folder}: {left.broken_text(most=len(left.broken.files))}. Remove them and start again.")
    return torch.from_numpy(np.stack(images)).float() / 255, fitted
