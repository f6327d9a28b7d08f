"""Who of the pictures brought is private, who is public, and which private ones the target never sees."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from workbench.core.errors import UsageError
from workbench.scenarios.byte_images import ByteImages
from workbench.scenarios.images import FEWEST
from workbench.scenarios.leaks import LEAST, closest
from workbench.scenarios.reading.layout import Layout
from workbench.scenarios.reading.left_out import printable
from workbench.scenarios.reading.read import PicturesRead

FEWEST_OF_PERSON = 4  # photographs; with fewer there is nothing to learn from and nothing to hold out
FEWEST_CLASSES, MOST_CLASSES = 2, 1000
TRAIN_SHARE = 0.75
UNEVEN = 10  # times as many pictures of one class as of another, from which it is said
MOST_COMPARED = 2_000_000_000  # pairs of a private and a public picture; more are compared by their bytes alone


@dataclass(frozen=True)
class Copy:
    """A picture that is also there under another name: both paths, and how alike they are, 1 for the same pixels."""

    first: str
    second: str
    likeness: float


@dataclass(frozen=True, eq=False)
class DataPlan:
    """What would be accepted.

    Attributes:
        class_names: of the K private classes, in order of their numbers.
        private: (P,) rows of `pictures` that are private.
        labels: (P,) their classes.
        heldout: (P,) whether the target never sees them.
        public_names: of the public classes; empty where nothing says who is who.
        public: (M,) rows of `public_from`.
        public_labels: (M,) their public classes, −1 where there is none.
        pictures, public_from: where the rows are taken from; the same where one folder has both.
        too_few: class to its number of pictures, of those with too few to be private.
        repeated: pictures that are there twice in one class; the second is left out.
        filed_twice: the same picture under two private classes; both are left out.
        leaked: a public copy of a private picture; the public one is left out.
        all_compared: whether copies that were changed a little were looked for as well.
    """

    class_names: list[str]
    private: Tensor
    labels: Tensor
    heldout: Tensor
    public_names: list[str]
    public: Tensor
    public_labels: Tensor
    pictures: PicturesRead
    public_from: PicturesRead
    too_few: dict[str, int] = field(default_factory=dict)
    repeated: list[Copy] = field(default_factory=list)
    filed_twice: list[Copy] = field(default_factory=list)
    leaked: list[Copy] = field(default_factory=list)
    all_compared: bool = True

    def counts(self) -> list[tuple[str, int, int]]:
        """Return name, training pictures and held-out pictures of each private class."""
        return [
            (name, int(((self.labels == c) & ~self.heldout).sum()), int(((self.labels == c) & self.heldout).sum()))
            for c, name in enumerate(self.class_names)
        ]

    def problems(self) -> list[str]:
        """Return why this cannot be accepted, a sentence each."""
        found = []
        if not self.pictures.layout.has_classes:
            found.append(
                "Nothing says who is on which picture. Put the pictures of each person into a folder of their own."
            )
        elif len(self.class_names) < FEWEST_CLASSES:
            found.append(
                f"{len(self.class_names)} of the classes can be private; at least {FEWEST_CLASSES} with "
                f"{FEWEST_OF_PERSON} pictures each are needed."
            )
        if len(self.class_names) > MOST_CLASSES:
            found.append(
                f"{len(self.class_names):,} classes would be private; at most {MOST_CLASSES:,} are. Say how many with --private."
            )
        if len(self.public) < FEWEST:
            found.append(
                f"{len(self.public)} public pictures are left for the attacker; at least {FEWEST} are needed. Name a folder of "
                "pictures of others with --public, or make fewer classes private with --private."
            )
        return found

    def remarks(self) -> list[str]:
        """Return what a person should know before accepting this, a sentence each."""
        counts, found = self.counts(), list(self.pictures.left.sentences())
        if self.public_from is not self.pictures:
            found += [f"Public: {text}" for text in self.public_from.left.sentences()]
        layout = self.pictures.layout
        if layout.has_classes and (
            stray := sum(c is None and s is None for c, s in zip(layout.classes, layout.sides, strict=True))
        ):
            found.append(f"{stray} pictures say not whom they show and are left out.")
        if self.too_few:
            named = ", ".join(f"{name} ({n})" for name, n in list(self.too_few.items())[:10])
            found.append(
                f"{len(self.too_few)} classes have fewer than {FEWEST_OF_PERSON} pictures and are not private: {named}"
                + (" …." if len(self.too_few) > 10 else ".")
            )
        sizes = sorted((train + held, name) for name, train, held in counts)
        if sizes and sizes[-1][0] >= UNEVEN * sizes[0][0]:
            found.append(
                f"The classes are uneven: {sizes[-1][1]} has {sizes[-1][0]} pictures, {sizes[0][1]} has {sizes[0][0]}. A target "
                "learns the first better."
            )
        for copies, text in (
            (self.repeated, "pictures are there twice in one class; the second is left out"),
            (self.filed_twice, "pictures lie in two classes; both are left out"),
            (self.leaked, "public pictures are copies of private ones; the public ones are left out"),
        ):
            if copies:
                named = "; ".join(f"{c.second} is {c.first}" for c in copies[:5])
                found.append(f"{len(copies)} {text}: {named}{' …' if len(copies) > 5 else ''}.")
        if not self.all_compared:
            found.append("Copies that were changed a little were not looked for: there are too many pictures.")
        return found


def plan_of(
    pictures: PicturesRead,
    public: PicturesRead | None = None,
    *,
    private: Sequence[str] | int | None = None,
    seed: int = 0,
) -> DataPlan:
    """Return who would be private and public of pictures that were brought.

    Where folders called private and public say so, they decide; so do train and val for what is held out. Else, with public
    pictures of their own, every class with enough pictures is private; without, half of the classes, those with most.

    Args:
        public: what the attacker has, brought separately.
        private: names of the private classes, or how many.
        seed: fixes which pictures are held out.

    Raises:
        UsageError: a class that is not there, or more of them than there are.
    """
    layout = pictures.layout
    mine = [i for i in range(len(pictures)) if layout.classes[i] is not None and layout.sides[i] != "public"]
    counted = Counter(str(layout.classes[i]) for i in mine)
    enough = sorted(
        (name for name, n in counted.items() if n >= FEWEST_OF_PERSON), key=lambda name: (-counted[name], name)
    )
    marked = "public" in layout.sides
    names = _private_names(enough, counted, private, half=public is None and not marked)
    numbers = {name: c for c, name in enumerate(names)}
    rows = [i for i in mine if layout.classes[i] in numbers]
    labels = [numbers[str(layout.classes[i])] for i in rows]
    rows, labels, repeated, twice = _without_copies(pictures, rows, labels)
    other, outside = pictures if public is None else public, []
    if public is not None:
        outside = list(range(len(public)))
    else:
        outside = [i for i in range(len(pictures)) if _outside(layout, i, marked, numbers)]
    kept = torch.tensor(rows, dtype=torch.long)
    outside, leaked, all_compared = _without_leaks(pictures, rows, other, outside)
    public_names = sorted({str(c) for i in outside if (c := other.layout.classes[i]) is not None})
    of_public = {name: c for c, name in enumerate(public_names)}
    label_tensor = torch.tensor(labels, dtype=torch.long)
    return DataPlan(
        class_names=[printable(name) for name in names],
        private=kept,
        labels=label_tensor,
        heldout=_held_out(label_tensor, [layout.parts[i] for i in rows], seed),
        public_names=[printable(name) for name in public_names],
        public=torch.tensor(outside, dtype=torch.long),
        public_labels=torch.tensor(
            [of_public.get(str(other.layout.classes[i]), -1) for i in outside], dtype=torch.long
        ),
        pictures=pictures,
        public_from=other,
        too_few={printable(name): n for name, n in sorted(counted.items()) if n < FEWEST_OF_PERSON},
        repeated=repeated,
        filed_twice=twice,
        leaked=leaked,
        all_compared=all_compared,
    )


def _outside(layout: Layout, i: int, marked: bool, private: Mapping[str, int]) -> bool:
    """Return whether picture `i` is public: of a folder that says so, or of a class that is not private.

    One of nobody in particular, beside others that are of somebody, may be of anybody.
    """
    if marked:
        return layout.sides[i] == "public"
    name = layout.classes[i]
    return not layout.has_classes or (name is not None and name not in private)


def _private_names(
    enough: list[str], counted: Counter[str], private: Sequence[str] | int | None, half: bool
) -> list[str]:
    if private is None:
        return sorted(enough[: max(FEWEST_CLASSES, len(enough) // 2)] if half else enough)
    if isinstance(private, int):
        if private > len(enough):
            raise UsageError(
                f"{private} classes are to be private; {len(enough)} have at least {FEWEST_OF_PERSON} pictures."
            )
        return sorted(enough[:private])
    if missing := [name for name in private if name not in counted]:
        raise UsageError(
            f"There is no class '{missing[0]}'. There are {len(counted)}: {', '.join(sorted(counted)[:8])}"
            + (" …." if len(counted) > 8 else ".")
        )
    return list(dict.fromkeys(private))


def _held_out(labels: Tensor, parts: Sequence[str | None], seed: int) -> Tensor:
    """Return (P,) whether each picture is held out: as its folder says where every class has both, else one in four."""
    said = torch.tensor([part == "heldout" for part in parts], dtype=torch.bool)
    classes = labels.unique().tolist()
    if all(said[labels == c].any() and not said[labels == c].all() for c in classes):
        return said
    rng, held = torch.Generator().manual_seed(seed), torch.zeros(len(labels), dtype=torch.bool)
    for c in classes:
        rows = (labels == c).nonzero()[:, 0]
        order = rows[torch.randperm(len(rows), generator=rng)]
        held[order[max(1, min(len(rows) - 1, round(TRAIN_SHARE * len(rows)))) :]] = True
    return held


def print_of(image: Tensor) -> bytes:
    """Return sixteen bytes that two images, uint8 (C, H, W), share only if they are the same."""
    return hashlib.blake2b(image.numpy().tobytes(), digest_size=16).digest()


def _without_copies(
    pictures: PicturesRead, rows: list[int], labels: list[int]
) -> tuple[list[int], list[int], list[Copy], list[Copy]]:
    """Return rows and labels without pictures that are there twice, and what was left out."""
    first: dict[bytes, int] = {}
    repeated, twice, dropped = [], [], set()
    data = pictures.images.bytes
    for at, i in enumerate(rows):
        key = print_of(data[i])
        if (known := first.setdefault(key, at)) == at:
            continue
        copy = Copy(pictures.names[rows[known]], pictures.names[i], 1.0)
        dropped.add(at)
        if labels[known] == labels[at]:
            repeated.append(copy)
        else:
            twice.append(copy)
            dropped.add(known)
    kept = [at for at in range(len(rows)) if at not in dropped]
    return [rows[at] for at in kept], [labels[at] for at in kept], repeated, twice


def _without_leaks(
    pictures: PicturesRead, rows: list[int], other: PicturesRead, outside: list[int]
) -> tuple[list[int], list[Copy], bool]:
    """Return the public rows that are no copies of private pictures, the copies, and whether altered ones were looked for."""
    own = {print_of(pictures.images.bytes[i]): i for i in rows}
    found: dict[int, Copy] = {}
    for j in outside:
        if (i := own.get(print_of(other.images.bytes[j]))) is not None:
            found[j] = Copy(pictures.names[i], other.names[j], 1.0)
    left = [j for j in outside if j not in found]
    all_compared = len(rows) * len(left) <= MOST_COMPARED
    while all_compared and rows and left:  # each private picture names one public one at a time
        private = ByteImages.of(pictures.images.bytes[torch.tensor(rows)])
        public = ByteImages.of(other.images.bytes[torch.tensor(left)])
        pairs = [pair for pair in closest(private, public) if pair.likeness >= LEAST]
        for pair in pairs:
            j = left[pair.public]
            found.setdefault(j, Copy(pictures.names[rows[pair.private]], other.names[j], round(pair.likeness, 3)))
        left = [j for j in left if j not in found]
        if not pairs:
            break
    return left, list(found.values()), all_compared
