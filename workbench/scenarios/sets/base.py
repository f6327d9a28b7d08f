"""What a data set of the field is: where its pictures lie, how the papers cut them, and who is private."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, TypeVar

from workbench.core.errors import UsageError
from workbench.core.registry import Info, Registry
from workbench.core.shapes import Shape
from workbench.scenarios.reading.layout import ClassesFrom, Layout
from workbench.scenarios.reading.picture import Fitting, PictureCut
from workbench.scenarios.reading.read import PicturesRead, Progress, read_pictures

DATA_SETS: Registry[type[DataSet], Info] = Registry("data set", "workbench.scenarios.sets")

FEWEST_OF_CLASS = 4  # pictures that a private class has
SetT = TypeVar("SetT", bound="DataSet")


class DataSet:
    """Pictures that papers attack, or train priors on, as they are downloaded. Nothing of them is shipped.

    Attributes:
        title: what it is called.
        paper: where it was published.
        obtain: how to get it.
        licence: under which terms, as its makers state them; look before you pass anything on.
        expected: the layout in words and paths.
        protocol: who is private and who public, as the papers have it.
        shape: (C, H, W) that the papers bring it to.
        cut: the part of each picture that they keep, as shares of its sides; None for all of it.
        private: names of the private classes, or how many of those with most pictures; None for all that have enough.
        noun: what one class is called.
        flips: whether a mirrored picture is as good.
        classes_from: which folder is the class, see `layout_of`.
        inside: folders, the first that is there is read instead of what was named.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    obtain: ClassVar[str]
    licence: ClassVar[str]
    expected: ClassVar[str]
    protocol: ClassVar[str]
    shape: ClassVar[Shape]
    cut: ClassVar[PictureCut | None] = None
    private: ClassVar[tuple[str, ...] | int | None] = None
    noun: ClassVar[str] = "person"
    flips: ClassVar[bool] = True
    classes_from: ClassVar[ClassesFrom] = "auto"
    inside: ClassVar[tuple[str, ...]] = ()

    def read(
        self, path: Path, shape: Shape | None = None, how: Fitting = "crop", progress: Progress | None = None
    ) -> PicturesRead:
        """Return the data set's pictures with their classes.

        Args:
            path: the folder or archive that was downloaded.
            shape: (C, H, W), the papers' if None.

        Raises:
            UsageError: it is not there, or not laid out as expected.
        """
        found = read_pictures(self.place(path), shape or self.shape, how, self.classes_from, progress, self.cut)
        if not len(found):
            raise UsageError(
                f"There are no pictures of {self.title} in {path}. Expected: {self.expected}. {self.obtain}"
            )
        return replace(found, layout=self.relabelled(found, path))

    def private_of(self, found: PicturesRead) -> list[str] | int | None:
        """Return the private classes of what is there, by name or number: all or as many as the papers have, at most half."""
        there = {c for c in found.layout.classes if c is not None}
        if isinstance(self.private, tuple):
            return [name for name in self.private if name in there]
        if self.private is None:
            return None
        counted = Counter(c for c in found.layout.classes if c is not None)
        return min(self.private, sum(n >= FEWEST_OF_CLASS for n in counted.values()) // 2)

    def place(self, path: Path) -> Path:
        """Return where below what was named the pictures lie."""
        return next((path / part for part in self.inside if (path / part).is_dir()), path)

    def relabelled(self, found: PicturesRead, path: Path) -> Layout:
        """Return the classes of the pictures that were found; those of their folders, unless a subclass knows better."""
        return found.layout


def data_set(key: str, order: int = 100) -> Callable[[type[SetT]], type[SetT]]:
    """Register a `DataSet` under `key`."""

    def keep(cls: type[SetT]) -> type[SetT]:
        cls.key = key
        DATA_SETS.register(Info(key=key, title=cls.title, order=order))(cls)
        return cls

    return keep


def renamed(layout: Layout, names: tuple[str, ...]) -> Layout:
    """Return a layout in which classes that are numbers have their names."""
    called = {str(i): name for i, name in enumerate(names)}
    return replace(layout, classes=[None if c is None else called.get(c, c) for c in layout.classes])
