"""Who is on which picture, by where it lies: the layouts that data sets of people and things come in."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, get_args

from workbench.core.errors import UsageError

ClassesFrom = Literal["auto", "first", "last", "none"]
CLASSES_FROM: tuple[ClassesFrom, ...] = get_args(ClassesFrom)
PARTS = {
    "train": "train",
    "training": "train",
    "val": "heldout",
    "valid": "heldout",
    "validation": "heldout",
    "test": "heldout",
    "testing": "heldout",
}
SIDES = {"private": "private", "public": "public"}
# Folders that hold people's folders and are nobody themselves.
SHELVES = {
    "actors",
    "actresses",
    "images",
    "image",
    "imgs",
    "img",
    "faces",
    "data",
    "photos",
    "pictures",
    "male",
    "female",
    "men",
    "women",
    "dev",
    "eval",
}


@dataclass(frozen=True)
class Layout:
    """What the places of pictures say.

    Attributes:
        text: the layout in words.
        classes: the name of each picture's class; None for a picture that lies in no class's folder.
        parts: "train", "heldout" or None, as folders of those names say.
        sides: "private", "public" or None, as folders of those names say.
    """

    text: str
    classes: list[str | None]
    parts: list[str | None]
    sides: list[str | None]

    @property
    def has_classes(self) -> bool:
        return any(name is not None for name in self.classes)


def layout_of(names: Sequence[str], classes_from: ClassesFrom = "auto") -> Layout:
    """Return what the paths of pictures say of their classes.

    Folders called train, val, test, private or public say which part a picture is of; those that are nobody, such as
    ``actors``, are looked through. Of what remains the first folder is the class, or with "last" the one that the picture
    lies in.

    Args:
        names: paths with slashes, below one folder.
        classes_from: "first" or "last" folder of a path, "none" for pictures of nobody in particular, "auto" to find out.

    Raises:
        UsageError: "auto", and folders lie in folders so that either may be the class.
    """
    places = [PurePosixPath(name).parts[:-1] for name in names]
    shared = _shared(places)
    marked = [_marks(place[shared:]) for place in places]
    parts, sides, rest = [m[0] for m in marked], [m[1] for m in marked], [m[2] for m in marked]
    if classes_from == "none" or not any(rest):
        return Layout("one folder of pictures, nobody named", [None] * len(names), parts, sides)
    which = _found_out(rest) if classes_from == "auto" else classes_from
    classes = [_class_of(place, which) for place in rest]
    found = sorted({p for p in parts if p} | {s for s in sides if s})
    text = "a folder for each class" + (f", in folders that say {' and '.join(found)}" if found else "")
    if any(place[:1] and place[0].lower() in SHELVES for place in rest):
        text += ", on shelves"
    return Layout(text, classes, parts, sides)


def _shared(places: Sequence[tuple[str, ...]]) -> int:
    """Return how many folders all pictures lie in, which then tell nobody from anybody: an archive's own name, say.

    The last folder is kept where it is a part's name, such as train.
    """
    if not places:
        return 0
    first, depth = places[0], 0
    while all(len(place) > depth and len(first) > depth and place[depth] == first[depth] for place in places):
        depth += 1
    for back in range(depth):
        if first[back].lower() in PARTS or first[back].lower() in SIDES:
            return back
    return depth if any(len(place) > depth for place in places) else max(0, depth - 1)


def _marks(place: tuple[str, ...]) -> tuple[str | None, str | None, tuple[str, ...]]:
    """Return part, side and the folders that are neither, of one picture's place."""
    part = side = None
    rest = []
    for at, folder in enumerate(place):
        plain = folder.lower()
        if plain in PARTS and part is None and at < 2:
            part = PARTS[plain]
        elif plain in SIDES and side is None and at < 2:
            side = SIDES[plain]
        else:
            rest.append(folder)
    return part, side, tuple(rest)


def _class_of(place: tuple[str, ...], which: ClassesFrom) -> str | None:
    if not place:
        return None
    if which == "last":
        return place[-1]
    return next((folder for folder in place if folder.lower() not in SHELVES), place[-1])


def _found_out(places: Sequence[tuple[str, ...]]) -> ClassesFrom:
    """Return which folder is the class: the only one there is, or the first where what lies in it is nobody's name."""
    bare = [tuple(f for f in place if f.lower() not in SHELVES) for place in places]
    deep = [place for place in bare if len(place) > 1]
    if not deep:
        return "first"
    within = defaultdict(set)
    for place in deep:
        within[place[-1]].add(place[0])
    repeated = sum(len(tops) > 1 for tops in within.values())
    if repeated >= len(within) / 2 or len(deep) < len(bare) / 2:  # session1, session2 ... in everybody's folder
        return "first"
    tops, inner = Counter(place[0] for place in deep), Counter(place[-1] for place in deep)
    example = "/".join(deep[0])
    raise UsageError(
        f"Folders lie in folders, such as {example}: is '{deep[0][0]}' the class ({len(tops)} of them), or '{deep[0][-1]}' "
        f"({len(inner)} of them)? Say --classes-from first or --classes-from last."
    )
