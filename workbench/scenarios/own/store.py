"""Accepted scenarios on the disk: one folder each, with what it is and its pictures as bytes."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from workbench.core.errors import DataMissing, UsageError
from workbench.core.paths import data_dir
from workbench.core.registry import Info, Registry
from workbench.core.shapes import Shape, image_shape
from workbench.scenarios.base import SCENARIOS, Labelled, Scenario, Split
from workbench.scenarios.byte_images import ByteImages
from workbench.scenarios.own.plan import DataPlan
from workbench.scenarios.reading.picture import Fitting

FACTS, PICTURES = "scenario.json", "pictures.safetensors"
NAME = re.compile(r"[a-z][a-z0-9-]{1,29}")
PERSON = "person"  # what a class is called whose pictures are faces
ORDER = 200  # in menus: after what is shipped


def own_dir() -> Path:
    """Where accepted scenarios lie, one folder each."""
    return data_dir() / "scenarios"


class OwnScenario(Scenario):
    """A scenario of pictures that somebody brought and accepted.

    Attributes:
        folder: where it lies.
        facts: what was noted when it was accepted.
    """

    own = True
    default_prior = "pca"
    default_attack = "ppa"
    ships_public = True
    folder: ClassVar[Path]
    facts: ClassVar[Mapping[str, Any]]

    def load_private(self) -> Split:
        held = self._pictures()
        images, labels, aside = held["private_images"], held["private_labels"].long(), held["private_heldout"].bool()
        return Split(*(Labelled(ByteImages.of(images[rows]), labels[rows]) for rows in (~aside, aside)))

    def public(self, folder: Path | None = None) -> Tensor:
        if folder is not None:
            from workbench.scenarios.images import read_folder

            return read_folder(folder, self.input_shape, self.facts["how"])
        return ByteImages.of(self._pictures()["public_images"])

    def public_labelled(self, folder: Path | None = None) -> Labelled:
        if folder is not None or self.classes_problem() is not None:
            return super().public_labelled(folder)
        held = self._pictures()
        labels = held["public_labels"].long()
        return Labelled(ByteImages.of(held["public_images"][labels >= 0]), labels[labels >= 0])

    def _pictures(self) -> dict[str, Tensor]:
        return _read(self.folder / PICTURES)


@lru_cache(maxsize=4)
def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataMissing(
            f"The pictures of this scenario cannot be read from {path} ({str(error)[:80]}). Add the scenario again."
        ) from None


def name_problem(name: str) -> str | None:
    """Return why a new scenario cannot be called so, or None."""
    if NAME.fullmatch(name) is None:
        return (
            f"'{name[:40]}' cannot name a scenario. Use 2 to 30 small letters, digits and '-', beginning with a letter."
        )
    if name in SCENARIOS:
        return f"There is a scenario called {name} already. Choose another name, or remove it first."
    return None


def accept(
    plan: DataPlan,
    name: str,
    *,
    shape: Shape,
    how: Fitting,
    title: str = "",
    noun: str = "person",
    source: str = "",
    flips: bool = True,
    licence: str = "",
    data_set: str = "",
) -> type[OwnScenario]:
    """Keep what was planned as a scenario, and return it registered.

    Args:
        title: what people call it.
        noun: what one class is called.
        source: where the pictures come from, in words.
        flips: whether a mirrored picture is as good; not for letters and digits.
        licence: of the pictures, in words.
        data_set: the key of the data set that they are, or "".

    Raises:
        UsageError: the name cannot be used, or the plan has problems.
    """
    if problems := [p for p in (name_problem(name), *plan.problems()) if p]:
        raise UsageError(" ".join(problems))
    folder = own_dir() / name
    making = own_dir() / f".{name}.{os.getpid()}.tmp"
    facts = {
        "title": title or name,
        "class_names": plan.class_names,
        "public_names": plan.public_names,
        "noun": noun,
        "shape": list(shape),
        "how": how,
        "source": source,
        "flips": flips,
        "licence": licence,
        "data_set": data_set,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "left_out": plan.pictures.left.to_json(),
        "remarks": plan.remarks(),
    }
    tensors = {
        "private_images": plan.pictures.images.bytes[plan.private],
        "private_labels": plan.labels.int(),
        "private_heldout": plan.heldout,
        "public_images": plan.public_from.images.bytes[plan.public],
        "public_labels": plan.public_labels.int(),
    }
    try:
        making.mkdir(parents=True)
        save_file({key: value.contiguous() for key, value in tensors.items()}, making / PICTURES)
        (making / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return register(folder)


def plural(noun: str) -> str:
    """Return several of what a noun names: persons, classes."""
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def own_scenario(folder: Path) -> type[OwnScenario]:
    """Return the scenario that lies in a folder; raises `UsageError` where it cannot be read."""
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        names = tuple(map(str, facts["class_names"]))
        shape = image_shape(facts["shape"])
        held = {
            "title": f"{facts['title']} ({len(names)} {plural(str(facts['noun']))})",
            "summary": f"{len(names)} private classes of pictures that were brought; the attacker knows others.",
            "input_shape": shape,
            "class_names": names,
            "class_noun": str(facts["noun"]),
            "private_source": str(facts["source"]) or "pictures that were brought",
            "public_source": f"the public part of {facts['source'] or 'the pictures that were brought'}",
            "flips": bool(facts["flips"]),
            # Who has few photographs of people begins with a recogniser that knows faces, as is done in practice.
            "default_target": "facenet" if facts["noun"] == PERSON else OwnScenario.default_target,
            "ships_classes": len(facts["public_names"]) > 1,
            "folder": folder,
            "facts": facts,
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"The scenario in {folder} cannot be read ({error}). Remove the folder, and add it again."
        ) from None
    return type(f"Own_{folder.name}".replace("-", "_"), (OwnScenario,), {"__module__": __name__, **held})


def register(folder: Path) -> type[OwnScenario]:
    """Register the scenario in a folder under the folder's name."""
    cls = own_scenario(folder)
    cls.key = folder.name
    SCENARIOS.register(Info(key=cls.key, title=cls.title, order=ORDER))(cls)
    return cls


def register_accepted(scenarios: Registry[type[Scenario], Info]) -> None:
    """Register what was accepted since the last look, by whatever process, and forget what was removed."""
    there = {path.parent.name: path.parent for path in own_dir().glob(f"*/{FACTS}") if NAME.fullmatch(path.parent.name)}
    known = {entry.key: entry.item for entry in scenarios.known() if issubclass(entry.item, OwnScenario)}
    for key, item in known.items():
        if there.get(key) != item.folder:
            scenarios.forget(key)
    for key, folder in there.items():
        if key not in {entry.key for entry in scenarios.known()}:
            try:
                register(folder)
            except UsageError:
                continue  # a folder that somebody has put there; the others are well


def remove(name: str) -> None:
    """Delete an accepted scenario; its weights and runs stay. Raises `UsageError` for one that was not accepted here."""
    if not (NAME.fullmatch(name) and (own_dir() / name / FACTS).is_file()):
        raise UsageError(f"There is no scenario '{name[:40]}' of your own pictures in {own_dir()}.")
    shutil.rmtree(own_dir() / name)
    SCENARIOS.forget(name)
    _read.cache_clear()
