"""A scenario as one zip, to be given to somebody else: what it is, its splits, its weights with their cards.

Pictures go along or are only referred to, by their sha256. What comes in is checked before anything is kept: names, sizes
while they are read, sums, and that weights are safetensors. It is kept whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import IO, Any

from safetensors import SafetensorError, safe_open

from workbench.core.errors import DataMissing, Incompatible, UsageError, WeightsCorrupt
from workbench.core.paths import models_dir
from workbench.core.weights import carded_names, existing_path, weights_path
from workbench.scenarios.base import SCENARIOS
from workbench.scenarios.own.store import FACTS, NAME, PICTURES, OwnScenario, own_dir, own_scenario, register

INDEX, FORMAT = "archive.json", 1
WEIGHTS = re.compile(r"weights/([a-z0-9][A-Za-z0-9_,=.+-]{0,120})\.(json|safetensors)")
MOST, MOST_TEXT, MOST_FILES = 8 * 2**30, 4 * 2**20, 1000  # bytes in all, bytes of a text, files
PIECE = 2**20  # bytes read at once


def export_scenario(key: str, goal: Path, *, pictures: bool = False) -> dict[str, Any]:
    """Write a scenario's archive, whole or not at all, and return its index.

    Args:
        pictures: whether the pictures that somebody brought go along; those of shipped scenarios never do.

    Raises:
        UnknownName, DataMissing.
        UsageError: the file is there already, or there are no pictures to go along.
    """
    place = SCENARIOS[key]
    if goal.exists():
        raise UsageError(f"{goal} is there already. Name a file that is not, or remove it.")
    own = place.folder if issubclass(place, OwnScenario) else None
    if pictures and own is None:
        raise UsageError(
            f"The pictures of {key} are not kept here; everybody gets them as it says. Leave --pictures out."
        )
    files: dict[str, Path] = {}
    for name in carded_names(f"{key}/*"):
        path, stem = existing_path(name), name.partition("/")[2]
        if path.is_file():
            files |= {f"weights/{stem}.safetensors": path, f"weights/{stem}.json": path.with_suffix(".json")}
    index: dict[str, Any] = {"format": FORMAT, "scenario": key, "own": own is not None, "pictures": "referred to"}
    if own is not None:
        if not (own / PICTURES).is_file():
            raise DataMissing(f"The pictures of {key} are not in {own}. Add the scenario again.")
        files[FACTS], index["pictures_sha256"] = own / FACTS, sum_of(own / PICTURES)
        if pictures:
            files[PICTURES], index["pictures"] = own / PICTURES, "included"
    index["files"] = {name: sum_of(path) for name, path in files.items()}
    goal.parent.mkdir(parents=True, exist_ok=True)
    making = goal.with_name(f".{goal.name}.{os.getpid()}.tmp")
    try:
        with zipfile.ZipFile(making, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(INDEX, json.dumps(index, indent=1))
            for name, path in files.items():
                archive.write(path, name)
        making.replace(goal)
    finally:
        making.unlink(missing_ok=True)
    return index


def import_scenario(source: Path) -> dict[str, Any]:
    """Keep what an archive holds, whole or not at all, and return its index.

    Raises:
        UsageError: there is no such file, it is larger than what is read, or what it holds is here already.
        Incompatible: it is no archive of a scenario, or holds what does not belong there.
        WeightsCorrupt: a file in it is not what the index says.
    """
    if not source.is_file():
        raise UsageError(f"There is no file {source}.")
    models_dir().mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=".import.", dir=models_dir()))
    try:
        try:
            with zipfile.ZipFile(source) as archive:
                index = _unpacked(archive, source, making)
        except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError) as error:
            raise WeightsCorrupt(f"{source} is no whole archive ({str(error)[:80]}). Copy it again.") from None
        _keep(index, making)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return index


def _unpacked(archive: zipfile.ZipFile, source: Path, making: Path) -> dict[str, Any]:
    entries = {entry.filename: entry for entry in archive.infolist()}
    if len(archive.infolist()) > MOST_FILES or sum(e.file_size for e in entries.values()) > MOST:
        raise UsageError(f"{source} unpacks to more than {MOST_FILES} files or {MOST / 2**30:g} GiB and is not read.")
    if INDEX not in entries or entries[INDEX].file_size > MOST_TEXT:
        raise Incompatible(
            [f"{source} is no archive of a scenario: {INDEX} is not in it. Make one with export scenario."]
        )
    try:
        index = json.loads(archive.read(INDEX))
        files, key = dict(index["files"]), str(index["scenario"])
        known = index["format"] == FORMAT and isinstance(index["own"], bool)
    except (ValueError, KeyError, TypeError):
        files, key, known = {}, "", False
    if not known or NAME.fullmatch(key) is None:
        raise Incompatible([f"{source} has an index that this version cannot read. Export it anew."])
    allowed = {FACTS, PICTURES} if index["own"] else set()
    if strange := [
        n for n in entries if n != INDEX and (n not in files or (n not in allowed and not WEIGHTS.fullmatch(n)))
    ]:
        raise Incompatible([f"{source} holds '{strange[0][:60]}', which does not belong there. Nothing was kept."])
    for name, told in files.items():
        if name not in entries:
            raise WeightsCorrupt(f"{source} lacks {name[:60]}, which its index names. Copy it again.")
        goal = making / name
        goal.parent.mkdir(exist_ok=True)
        with archive.open(name) as given, goal.open("wb") as kept:
            if _copied(given, kept, entries[name].file_size) != told:
                raise WeightsCorrupt(f"{source}: {name[:60]} is not the file that its index describes. Copy it again.")
        _check(goal, name)
    return index


def _copied(given: IO[bytes], kept: IO[bytes], most: int) -> str:
    """Copy at most what the directory said, and return the sha256."""
    found, done = hashlib.sha256(), 0
    while piece := given.read(PIECE):
        done += len(piece)
        if done > most:
            raise UsageError("A file in the archive is larger than the archive says. It is not read any further.")
        found.update(piece)
        kept.write(piece)
    return found.hexdigest()


def _check(path: Path, name: str) -> None:
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt"):
                pass
        elif path.stat().st_size > MOST_TEXT or not isinstance(json.loads(path.read_text(encoding="utf-8")), dict):
            raise ValueError("no card")
    except (SafetensorError, ValueError, OSError) as error:
        raise WeightsCorrupt(
            f"{name[:60]} in the archive cannot be read ({str(error)[:80]}). Export it anew."
        ) from None


def _keep(index: dict[str, Any], making: Path) -> None:
    """Move what was unpacked to where it belongs; take it back if that fails half-way."""
    key, goal = index["scenario"], own_dir() / index["scenario"]
    if index["own"]:
        if key in SCENARIOS or goal.exists():
            raise UsageError(f"There is a scenario called {key} already. Remove it first: data remove {key}.")
        own_scenario_of(making, key)
    elif key not in SCENARIOS:
        raise Incompatible([f"The archive is of the scenario {key}, which this installation does not have."])
    weights = sorted((making / "weights").glob("*"))
    taken = [p.name for p in weights if weights_path(f"{key}/{p.stem}").with_suffix(p.suffix).exists()]
    if taken:
        raise UsageError(f"{key} has {taken[0]} already. Move {models_dir() / key} away, or keep what is there.")
    moved: list[Path] = []
    try:
        for path in weights:
            there = models_dir() / key / path.name
            there.parent.mkdir(parents=True, exist_ok=True)
            path.rename(there)
            moved.append(there)
        if index["own"]:
            goal.mkdir(parents=True)
            moved.append(goal)
            for name in (PICTURES, FACTS):  # the facts last: with them it is there
                if (making / name).is_file():
                    shutil.move(making / name, goal / name)
            register(goal)
    except BaseException:
        for path in reversed(moved):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        raise


def own_scenario_of(folder: Path, key: str) -> None:
    """Raise `Incompatible` unless the facts in a folder are a scenario's."""
    try:
        own_scenario(folder)
    except UsageError:
        raise Incompatible([f"The archive's {FACTS} describes no scenario {key}. Export it anew."]) from None


def sum_of(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
