"""Reading weights that somebody brings: safetensors, or a checkpoint of torch without running any program in it.

What is around them (an optimiser, an epoch, several copies) is looked through, and what was put before their names
(``module.`` by DataParallel, ``model.`` by Lightning, ``_orig_mod.`` by compile) is taken off.
"""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from workbench.core.errors import Incompatible, UsageError, WeightsCorrupt

MOST = 4 * 2**30  # bytes of a file, and of what is in it
DEPTH = 3  # mappings inside each other that are looked through
ZIP, TAR = b"PK\x03\x04", b"ustar"
SAVE = "Save its state_dict as safetensors: safetensors.torch.save_file(model.state_dict(), 'mine.safetensors')."
WEIGHTS = (
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "classifier",
    "weights",
    "params",
)  # usual names


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Return the weights in a file by name, floating ones as float32; by content, whatever the file is called.

    Raises:
        UsageError: there is no such file, or it is larger than what is read.
        Incompatible: it holds no weights, or a program that would have to be run, or is another kind of file.
        WeightsCorrupt: it is cut short, or some weights are not finite.
    """
    if not path.is_file():
        raise UsageError(f"There is no file {path}.")
    if (size := path.stat().st_size) > MOST:
        raise UsageError(f"{path} has {size / 2**30:.1f} GiB; at most {MOST / 2**30:g} are read.")
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        raise WeightsCorrupt(f"{path} is empty. Copy it again.")
    found = _safetensors(path) if _is_safetensors(head, size) else _torch(path, head)
    tensors = _weights_in(found, path)
    for name, value in tensors.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise WeightsCorrupt(
                f"{path}: {name} holds numbers that are not finite (NaN or infinite), so that the network answers nothing. "
                "Bring the checkpoint of an earlier epoch."
            )
    return {n: v.float() if v.is_floating_point() else v for n, v in tensors.items()}


def _is_safetensors(head: bytes, size: int) -> bool:
    """Return whether a file begins as safetensors do: the length of a JSON text, and the text."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") < size


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load(path.read_bytes())
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsCorrupt(f"{path} is no whole safetensors file ({_first_line(error)}). Copy it again.") from None


def _torch(path: Path, head: bytes) -> Any:
    if head.startswith(ZIP):
        _look_into_archive(path)
    elif head[:1] != b"\x80" and head[257:262] != TAR:
        raise Incompatible(
            [f"{path} is neither safetensors nor a checkpoint of torch. {SAVE} An .onnx file is named with --onnx."]
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickles in a newer form, which are read or refused all the same
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        wanted = next((w for line in str(error).splitlines() if "GLOBAL" in line for w in line.split() if "." in w), "")
        raise Incompatible(
            [
                f"{path} is a pickle that holds more than weights{f' ({wanted})' if wanted else ''}; reading it could run any "
                f"program, so it is not read. {SAVE}"
            ]
        ) from None
    except Exception as error:  # torch has many kinds for a file that is cut short
        raise WeightsCorrupt(f"{path} cannot be read as a checkpoint ({_first_line(error)}). Copy it again.") from None


def _look_into_archive(path: Path) -> None:
    """Refuse archives that unpack to more than is read, and those that are programs."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise WeightsCorrupt(f"{path} is no whole archive ({_first_line(error)}). Copy it again.") from None
    if sum(entry.file_size for entry in entries) > MOST:
        raise UsageError(f"{path} unpacks to more than {MOST / 2**30:g} GiB and is not read.")
    inside = {name.partition("/")[2] for name in (entry.filename for entry in entries)}
    if any(name.startswith("code/") for name in inside):
        raise Incompatible([f"{path} is TorchScript, a program. {SAVE} Or export it with torch.onnx.export."])
    if not any(name.endswith("data.pkl") for name in inside):
        raise Incompatible([f"{path} is an archive without a checkpoint of torch in it. {SAVE}"])


def _weights_in(found: Any, path: Path) -> dict[str, Tensor]:
    """Return the mapping of names to tensors that most likely is the network's."""
    held = list(_mappings(found, DEPTH))
    if not held:
        kind = type(found).__name__
        raise Incompatible([f"{path} holds no weights by name ({kind}). {SAVE}"])
    usual = {name: rank for rank, name in enumerate(WEIGHTS)}
    _, tensors = min(held, key=lambda item: (usual.get(item[0], len(usual)), -len(item[1])))
    return tensors


def _mappings(found: Any, depth: int, name: str = "") -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield each mapping of texts to tensors with its own name, the outermost first; optimisers hold theirs by number."""
    if not isinstance(found, Mapping):
        return
    tensors = {k: v for k, v in found.items() if isinstance(k, str) and isinstance(v, Tensor) and not v.is_sparse}
    if len(tensors) >= 2 and "optim" not in name:
        yield name, tensors
    if depth:
        for key, value in found.items():
            yield from _mappings(value, depth - 1, str(key))


def stripped(tensors: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yield the weights under their own names, and without what stands before all of them, as often as something does."""
    names = {
        name.replace("fc_layer.0.", "fc_layer."): value for name, value in tensors.items()
    }  # KED-MI's, in a sequence
    yield dict(tensors)
    if names.keys() != tensors.keys():
        yield names
    while len({name.partition(".")[0] for name in names}) == 1 and all("." in name for name in names):
        names = {name.partition(".")[2]: value for name, value in names.items()}
        yield names


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0][:160]
