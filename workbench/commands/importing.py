"""``import target``: weights that somebody brings become a target like those trained here."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from workbench.scenarios import Scenario
from workbench.targets.brought import REMEDY, keep, matched
from workbench.targets.checkpoints import read_checkpoint
from workbench.targets.inputs import InputSpec


def arguments(group: Any) -> None:
    """Add what only a target needs."""
    group.add_argument("--name", help="what the target is called here (default: the file's name)")
    group.add_argument(
        "--net", help="torchvision/resnet18, timm/NAME, vgg16, ir152, ...; found by the weights if left out"
    )
    group.add_argument(
        "--input",
        metavar="WORDS",
        help="how it wants its pixels: unit, half, imagenet, bytes, caffe, insightface, or mean=…,std=…,range=255, bgr, "
        "size=224; the one by which it recognises most of its own people if left out",
    )


def run(options: argparse.Namespace, scenario: Scenario) -> int:
    """Bring weights; return 1 where the target does not recognise its own people, and is kept all the same.

    Raises:
        UsageError, UnknownName, DataMissing, Incompatible, WeightsCorrupt.
    """
    path = Path(options.origin).expanduser()
    name = options.name or "".join(c if c.isalnum() else "_" for c in path.name.split(".")[0].lower())[:31]
    found = matched(read_checkpoint(path), scenario.num_classes, options.net)
    spec = InputSpec.of(options.input or "unit")
    source = options.source or f"brought as {path.name}; what it was trained on is not known here"
    _, seen = keep(scenario, name, found, spec, source=source, replace=options.replace)
    if seen is not None and options.input is None and seen.best[0] != spec:
        spec = seen.best[0]
        found = matched(read_checkpoint(path), scenario.num_classes, found.net)
        _, seen = keep(scenario, name, found, spec, source=source, replace=True)
    told = "" if seen is None else f", recognises {seen.accuracy:.1%} of {seen.n} photographs of its own people"
    print(f"{scenario.key}/{name}: {found.net}, asked as '{spec}'{told}")
    print(f"Attack it with: python -m workbench run --scenario {scenario.key} --target {name} --attack ...")
    if seen is not None and (warning := seen.warning(name, REMEDY)):
        print(f"warning: {warning}")
        return 1
    return 0
