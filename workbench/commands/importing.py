"""``import target``: weights that somebody brings become a target like those trained here."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.scenarios import Scenario
from workbench.targets.brought import REMEDY, Matched, exported, keep, matched
from workbench.targets.checkpoints import read_checkpoint
from workbench.targets.inputs import InputSpec
from workbench.targets.programs import is_program
from workbench.targets.sanity import Sanity


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


@dataclass(frozen=True)
class Kept:
    """A target that was brought: the network its weights are of, how it is asked, and what it knows of its own people."""

    name: str
    net: str
    spec: InputSpec
    seen: Sanity | None

    @property
    def told(self) -> str:
        """What became of it, in a line."""
        known = (
            f", recognises {self.seen.accuracy:.1%} of {self.seen.n} photographs of its own people" if self.seen else ""
        )
        return f"{self.name}: {self.net}, asked as '{self.spec}'{known}"

    @property
    def warning(self) -> str | None:
        return self.seen.warning(self.name, REMEDY) if self.seen is not None else None


def name_of(path: Path) -> str:
    """Return what a target is called whose file has this name."""
    letters = "".join(c if c.isascii() and c.isalnum() else "_" for c in path.name.split(".")[0].lower())
    return letters.strip("_")[:31] or "target"


def bring(
    path: Path,
    scenario: Scenario,
    name: str,
    *,
    net: str | None = None,
    words: str | None = None,
    source: str | None = None,
    replace: bool = False,
) -> Kept:
    """Keep weights as a target of a scenario.

    Args:
        net: which network they are of; found by their names and shapes if None.
        words: how it wants its pixels; the way by which it recognises most of its own people if None.
        source: what it was trained on, for the card.

    Raises:
        UsageError, UnknownName, DataMissing, Incompatible, WeightsCorrupt.
    """
    found = network_in(path, scenario.num_classes, net)
    spec = InputSpec.of(words or "unit")
    said = source or f"brought as {path.name}; what it was trained on is not known here"
    _, seen = keep(scenario, name, found, spec, source=said, replace=replace)
    if seen is not None and words is None and seen.best[0] != spec:
        spec = seen.best[0]
        found = network_in(path, scenario.num_classes, found.net)
        _, seen = keep(scenario, name, found, spec, source=said, replace=True)
    return Kept(name, found.net, spec, seen)


def network_in(path: Path, classes: int, net: str | None) -> Matched:
    """Return the network in a file: an exported program, which is one by itself, or weights of a known one."""
    if path.is_file() and is_program(path):
        return exported(path, classes)
    return matched(read_checkpoint(path), classes, net)


def run(options: argparse.Namespace, scenario: Scenario) -> int:
    """Bring weights; return 1 where the target does not recognise its own people, and is kept all the same.

    Raises:
        UsageError, UnknownName, DataMissing, Incompatible, WeightsCorrupt.
    """
    path = Path(options.origin).expanduser()
    kept = bring(
        path,
        scenario,
        options.name or name_of(path),
        net=options.net,
        words=options.input,
        source=options.source,
        replace=options.replace,
    )
    print(f"{scenario.key}/{kept.told}")
    print(f"Attack it with: python -m workbench run --scenario {scenario.key} --target {kept.name} --attack ...")
    if kept.warning:
        print(f"warning: {kept.warning}")
        return 1
    return 0
