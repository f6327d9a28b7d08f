"""What a scenario is: a private data set, a public one, and how both are split by seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

from workbench.core.errors import DataMissing, UsageError
from workbench.core.paths import data_dir
from workbench.core.registry import Info, Registry
from workbench.scenarios.images import image_paths, read_classes

SCENARIOS: Registry[type[Scenario], Info] = Registry("scenario", "workbench.scenarios")

ScenarioT = TypeVar("ScenarioT", bound="Scenario")


@dataclass(frozen=True, eq=False)
class Labelled:
    """Images with their classes.

    Attributes:
        images: (N, C, H, W) float32 in [0, 1].
        labels: (N,) int64.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def of_class(self, c: int) -> Tensor:
        """Return the images of class `c`, (n, C, H, W)."""
        return self.images[self.labels == c]


@dataclass(frozen=True, eq=False)
class Split:
    """The private data: what the target learned from, and what it never saw."""

    train: Labelled
    heldout: Labelled

    @cached_property
    def all(self) -> Labelled:
        return Labelled(
            torch.cat([self.train.images, self.heldout.images]), torch.cat([self.train.labels, self.heldout.labels])
        )


class Scenario:
    """A named, reproducible attack setting. Subclasses say what they are and load their images.

    Attributes:
        split_seed: fixes which private images are held out; part of the scenario, not of a run.
        ships_public: whether public images come with this scenario.
        ships_classes: whether public images with classes of their own come with this scenario.
        evaluator: the architecture that judges this scenario's reconstructions; never a target.
        borrows: a scenario whose colour priors also serve this one, seen in grey; None if it has its own.
        own: whether it is made of pictures that somebody brought, so that nothing of it is shipped.
        default_attack: the one that is offered first: it reaches more than random samples do on the default target.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    input_shape: ClassVar[tuple[int, int, int]]
    class_names: ClassVar[tuple[str, ...]]
    class_noun: ClassVar[str] = "class"
    private_source: ClassVar[str]
    public_source: ClassVar[str]
    flips: ClassVar[bool] = False
    default_target: ClassVar[str] = "resnet"
    default_prior: ClassVar[str] = "gan"
    default_attack: ClassVar[str] = "gmi"
    evaluator: ClassVar[str] = "evaluator"
    ships_public: ClassVar[bool] = False
    ships_classes: ClassVar[bool] = False
    split_seed: ClassVar[int] = 0
    borrows: ClassVar[str | None] = None
    own: ClassVar[bool] = False

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @cached_property
    def private(self) -> Split:
        """The private images, split; raises `DataMissing` saying how to get them."""
        return self.load_private()

    def load_private(self) -> Split:
        raise NotImplementedError

    def public(self, folder: Path | None = None) -> Tensor:
        """Return what the attacker has, (N, C, H, W) in [0, 1], without private classes.

        Args:
            folder: more public images than the scenario ships.

        Raises:
            DataMissing: the scenario ships none and no folder was named.
        """
        raise NotImplementedError

    def public_labelled(self, folder: Path | None = None) -> Labelled:
        """Return public images with classes of their own, none of them private.

        Args:
            folder: a folder for each class; ``data/<key>-classes`` or what the scenario ships if None.

        Raises:
            DataMissing: the scenario ships none, no folder was named, and ``data/<key>-classes`` is not there.
        """
        if folder is None and (problem := self.classes_problem()):
            raise DataMissing(problem)
        return Labelled(*read_classes(folder or self.classes_folder, self.input_shape))

    def all_classes(self, data: Path | None = None) -> tuple[Split, tuple[str, ...]]:
        """Return images of every class there is and their names: the private classes as they are numbered, then the public ones.

        For those who judge; no attack is told. The private images are split as always, the public ones eight to two.

        Args:
            data: where public images with classes are, as `public_labelled` takes it.

        Raises:
            DataMissing: the private images or public ones with classes are not here.
        """
        private, labelled = self.private, self.public_labelled(data)
        public = split_by_class(labelled, 0.8, self.split_seed)
        names = tuple(f"public class {c}" for c in range(int(labelled.labels.max()) + 1))
        return joined(private, public, self.num_classes), (*self.class_names, *names)

    @property
    def classes_folder(self) -> Path:
        """Where this machine may have a folder of images for each public class; it need not be there."""
        return data_dir() / f"{self.key}-classes"

    def classes_problem(self) -> str | None:
        """Return why this machine has no public images with classes, and where they belong, or None."""
        if self.ships_classes or self.classes_folder.is_dir():
            return None
        return (
            f"{self.key} ships no public images with classes of their own. Put a folder of images for each public class "
            f"into {self.classes_folder} (the variable WORKBENCH_DATA names another data folder), or name such a "
            "folder with --data on the command line."
        )

    def public_folder(self) -> Path | None:
        """Return the folder of public images that this machine has: ``data/<key>-public``, else the lender's."""
        folders = (data_dir() / f"{key}-public" for key in (self.key, self.borrows) if key)
        return next((folder for folder in folders if folder.is_dir()), None)

    def public_problem(self) -> str | None:
        """Return why this machine has no public images, and where they belong, or None."""
        if self.ships_public or self.public_folder() is not None:
            return None
        return (
            f"The public images of {self.key} are not on this machine: they are {self.public_source}. Put such "
            f"images, none of a private class, into the folder {data_dir() / f'{self.key}-public'} (the variable "
            "WORKBENCH_DATA names another data folder), or name one with --data on the command line."
        )

    def public_here(self) -> Tensor:
        """Return the public images (N, C, H, W) in [0, 1] that this machine has, as `public` does; raises `DataMissing`."""
        if problem := self.public_problem():
            raise DataMissing(problem)
        return self.public(self.public_folder())

    def public_name(self, row: int, folder: Path | None = None) -> str:
        """Return what image `row` of `public(folder)` is called: its file, where it has one of its own."""
        if folder is not None and row < len(paths := image_paths(folder)):
            return str(paths[row].relative_to(folder))
        return f"public image {row}"

    def problem(self) -> str | None:
        """Return why the private images cannot be read here, or None."""
        try:
            self.private
        except DataMissing as error:
            return str(error)
        return None

    def classes(self, text: str | list[int] | None) -> list[int]:
        """Parse ``"all"``, ``"0,3,5"``, ``"0-7"`` or a list into class numbers.

        Raises:
            UsageError: not a class of this scenario, or none named.
        """
        if text is None or text == "all":
            return list(range(self.num_classes))
        parts = class_ranges(text) if isinstance(text, str) else [(int(c), int(c)) for c in text]
        ends = [end for part in parts for end in part]
        wrong = [c for c in dict.fromkeys(ends) if not 0 <= c < self.num_classes]
        if wrong:  # before a range is built, which could take any amount of memory
            raise UsageError(
                f"{self.key} has classes 0 to {self.num_classes - 1}; there is no class "
                f"{', '.join(map(str, wrong[:5]))}."
            )
        picked = list(dict.fromkeys(c for first, last in parts for c in range(first, last + 1)))
        if not picked:
            raise UsageError(f"No class was chosen; {self.key} has classes 0 to {self.num_classes - 1}.")
        return picked


def class_ranges(text: str) -> list[tuple[int, int]]:
    """Return first and last class of each part of ``"0,3-5"``, unchecked; raises `UsageError` for what is no number."""
    ranges = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        first, dash, last = part.partition("-")
        try:
            ranges.append((int(first), int(last if dash else first)))
        except ValueError:
            raise UsageError(f"'{part[:40]}' is not a class. Write numbers such as 0,3,5 or 0-7, or 'all'.") from None
        if ranges[-1][0] > ranges[-1][1]:
            raise UsageError(f"'{part[:40]}' counts down. Write the smaller class first, such as 0-7.")
    return ranges


def scenario(key: str, *, order: int = 100) -> Callable[[type[ScenarioT]], type[ScenarioT]]:
    """Register a `Scenario` subclass under `key`."""

    def keep(cls: type[ScenarioT]) -> type[ScenarioT]:
        cls.key = key
        SCENARIOS.register(Info(key=key, title=cls.title, order=order))(cls)
        return cls

    return keep


def split_by_class(data: Labelled, train_per_class: int | float, seed: int) -> Split:
    """Return a split with `train_per_class` training images of each class, or that share if below 1; the rest held out."""
    rng = torch.Generator().manual_seed(seed)
    train, heldout = [], []
    for c in data.labels.unique().tolist():
        index = (data.labels == c).nonzero()[:, 0]
        index = index[torch.randperm(len(index), generator=rng)]
        count = int(len(index) * train_per_class) if train_per_class < 1 else int(train_per_class)
        train.append(index[:count])
        heldout.append(index[count:])
    pick = [torch.cat(part).sort().values for part in (train, heldout)]
    return Split(*(Labelled(data.images[i], data.labels[i]) for i in pick))


def joined(private: Split, public: Split, classes: int) -> Split:
    """Return both splits as one, the public classes numbered after the `classes` private ones."""
    return Split(
        *(
            Labelled(torch.cat([own.images, other.images]), torch.cat([own.labels, other.labels + classes]))
            for own, other in ((private.train, public.train), (private.heldout, public.heldout))
        )
    )
