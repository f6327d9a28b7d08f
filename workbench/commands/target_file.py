"""``run --target FILE``: a file in place of a target's name, an ONNX file or weights of a known network."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from workbench.commands.importing import bring, name_of
from workbench.core.errors import UsageError
from workbench.core.rounds import ModelOfRound
from workbench.core.weights import carded_names, read_card
from workbench.scenarios import SCENARIOS
from workbench.targets.remote.sources import allow, is_foreign
from workbench.targets.store import classifier_name

ONNX = ".onnx"
WEIGHTS = (".pt", ".pth", ".tar", ".bin", ".ckpt", ".safetensors", ".pt2")
NAMED = 12  # hexadecimal digits of a file's sum that tell it from others of its name


def is_file_name(target: str | None) -> bool:
    """Return whether this names a file, rather than a target: by its ending, or a folder before it."""
    if target is None or ModelOfRound.parse(target) is not None:
        return False
    return target.lower().endswith((ONNX, *WEIGHTS)) or ("/" in target and not is_foreign(target))


def target_in(text: str, scenario: str | None) -> str:
    """Return the name of the target in a file, which is brought to the scenario if it was not yet.

    Raises:
        UsageError: there is no such file, or no scenario is named.
        UnknownName, DataMissing, Incompatible, WeightsCorrupt: it cannot be a target of the scenario.
    """
    path = Path(text).expanduser()
    if not path.is_file():
        raise UsageError(f"--target {text}: there is no such file. Name a file of weights, an .onnx file, or a target.")
    if path.suffix.lower() == ONNX:
        return allow("onnx", f"{name_of(path)}={path}").key
    if scenario is None:
        raise UsageError("Name the scenario that the weights are a target of with --scenario.")
    place = SCENARIOS[scenario]()
    sum_ = file_sum(path)
    name = f"{name_of(path)[: 31 - NAMED - 1]}_{sum_}"
    if (known := classifier_name(scenario, name)) in carded_names(f"{scenario}/target-{name}"):
        if warning := read_card(known).get("warning"):
            print(f"warning: {warning}", file=sys.stderr)
        return name
    kept = bring(path, place, name)
    print(f"{scenario}/{kept.told}", file=sys.stderr)
    if kept.warning:
        print(f"warning: {kept.warning}", file=sys.stderr)
    return name


def file_sum(path: Path) -> str:
    """Return the first digits of a file's sha256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:NAMED]
