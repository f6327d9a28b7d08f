"""Weights as safetensors, each beside a card that says what it is and how it was made.

``models/<name>.safetensors`` has ``models/<name>.json``. A file whose sha256 differs from its
card's is refused: a changed weight would make every figure on the card untrue. What came with an installed copy is read
where the user's own folder has nothing of that name, and never written.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from workbench.core.errors import DataMissing, WeightsCorrupt
from workbench.core.paths import models_dir, shipped_models_dir


def write_atomically(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Write `data` so that a reader sees either the old file or the whole new one.

    Args:
        durable: a power cut a moment later leaves it so too. It takes milliseconds, so a recorded frame goes without.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
        if durable:
            _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(path: Path) -> None:
    """Bring the names in a folder to the disk: without it, a renamed file may have its old content again."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def weights_path(name: str) -> Path:
    """Return where the weights called `name` are written."""
    return models_dir() / f"{name}.safetensors"


def existing_path(name: str) -> Path:
    """Return the weight file called `name` that is read: the user's own, card or weights, before what was shipped."""
    own = weights_path(name)
    if own.is_file() or own.with_suffix(".json").is_file():
        return own
    shipped = shipped_models_dir() / f"{name}.safetensors"
    return shipped if shipped.with_suffix(".json").is_file() else own


def has_weights(name: str) -> bool:
    path = existing_path(name)
    return path.is_file() and path.with_suffix(".json").is_file()


def carded_names(pattern: str = "[!.]*/*") -> list[str]:
    """Return the names, sorted, of all weights with a card, such as ``digits/target-resnet``.

    Args:
        pattern: a glob of names.
    """
    folders = {models_dir(), shipped_models_dir()}
    return sorted({f"{p.parent.name}/{p.stem}" for folder in folders for p in folder.glob(f"{pattern}.json")})


def save_weights(name: str, tensors: Mapping[str, Tensor], card: Mapping[str, Any], *, half: bool = False) -> Path:
    """Write `<name>.safetensors` and its card, whole or not at all; returns the weight file's path.

    Args:
        half: store floating-point tensors as float16.
    """
    kept = {
        k: (v.half() if half and v.is_floating_point() else v).detach().cpu().contiguous() for k, v in tensors.items()
    }
    data = save(kept)
    card = {**card, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    path = weights_path(name)
    write_atomically(path, data, durable=True)
    write_atomically(path.with_suffix(".json"), (json.dumps(card, indent=1) + "\n").encode(), durable=True)
    return path


def read_card(name: str) -> dict[str, Any]:
    """Return the card of `name`; raises `DataMissing` or `WeightsCorrupt`."""
    path = existing_path(name).with_suffix(".json")
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise DataMissing(
            f"No weights named '{name}' in {models_dir()}. Train them with "
            f"'python -m workbench train', or restore the file from the repository."
        ) from None
    except json.JSONDecodeError as error:
        raise WeightsCorrupt(f"The card {path} is not JSON ({error}). Restore it from the repository.") from None


def amend_card(name: str, sha256: str, fields: Mapping[str, Any]) -> None:
    """Add `fields` to the card of `name`, weights untouched.

    Args:
        sha256: of the weights that the fields speak of.

    Raises:
        WeightsCorrupt: the card describes other weights by now.
    """
    card = read_card(name)
    if card.get("sha256") != sha256:
        raise WeightsCorrupt(
            f"The weights of {name} were replaced while they were being measured, probably by a "
            "training that is going on. Measure again."
        )
    path, source = weights_path(name), existing_path(name)
    if source != path and source.is_file():
        write_atomically(path, source.read_bytes(), durable=True)
    write_atomically(
        path.with_suffix(".json"), (json.dumps({**card, **fields}, indent=1) + "\n").encode(), durable=True
    )


def load_weights(name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors (float32 where floating) and the card of `name`.

    Raises:
        DataMissing: there is no such file.
        WeightsCorrupt: the file's sha256 is not the card's, or it does not parse.
    """
    card, path = read_card(name), existing_path(name)
    if not path.is_file():
        raise DataMissing(
            f"The card {path.with_suffix('.json').name} has no weights beside it ({path}). "
            "Restore the file from the repository, or train it again."
        )
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != card.get("sha256"):
        raise WeightsCorrupt(
            f"{path} is not the file its card describes (sha256 {found[:12]}…, card says "
            f"{str(card.get('sha256'))[:12]}…). Restore it from the repository, or train it again."
        )
    try:
        tensors = load(data)
    except Exception as error:  # safetensors raises its own type for every malformation
        raise WeightsCorrupt(f"{path} is not a safetensors file ({error}). Restore or retrain it.") from None
    return {k: v.to(torch.float32) if v.is_floating_point() else v for k, v in tensors.items()}, card
