"""``new``: a package of one's own with one method that works, is registered and tested, to be made into another."""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
from pathlib import Path

from workbench.commands.base import command
from workbench.core.errors import UsageError
from workbench.core.paths import ASSETS
from workbench.core.registry import GROUP

KINDS = ("attack", "defense", "metric", "scenario")
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MOST = 40  # letters of a name
PROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{distribution}"
version = "0.1"
description = "{title}, for the Model Inversion Workbench."
requires-python = ">=3.11"
dependencies = ["model-inversion-workbench"]

[project.entry-points.{group}]
{key} = "{module}"

[tool.setuptools]
py-modules = ["{module}"]
"""
FIRST = """\
# {title}

`pip install -e .` beside the workbench, and `mi-workbench list {kind}s` names `{key}`. `pytest` tests it.
"""


def written(kind: str, key: str, goal: Path) -> list[Path]:
    """Write a package with a skeleton into the folder `goal`, whole or not at all; return its files.

    Raises:
        UsageError: the name is none or taken, or the folder is there already.
    """
    if not NAME.fullmatch(key) or len(key) > MOST:
        raise UsageError(f"'{key[:60]}' is no name: small letters and digits with - between them, such as my-{kind}.")
    if goal.exists():
        raise UsageError(f"{goal} is there already. Name a folder that is not with --to, or remove it.")
    function = key.replace("-", "_")
    words = {
        "kind": kind,
        "key": key,
        "title": key.replace("-", " ").capitalize(),
        "name": "".join(part.capitalize() for part in key.split("-")),
        "function": function,
        "module": f"mi_{function}",
        "distribution": f"mi-{key}",
        "group": GROUP,
    }
    skeletons = ASSETS / "skeletons"
    texts = {
        "pyproject.toml": PROJECT,
        "README.md": FIRST,
        f"{words['module']}.py": (skeletons / f"{kind}.py.txt").read_text(),
        f"test_{words['module']}.py": (skeletons / f"{kind}-test.py.txt").read_text(),
    }
    goal.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=f".{goal.name}.", dir=goal.parent))
    try:
        for name, text in texts.items():
            (making / name).write_text(text.format(**words))
        making.chmod(0o755)  # a temporary folder is its owner's alone
        making.rename(goal)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return [goal / name for name in texts]


@command("new", "Write a method's skeleton", order=8)
class New:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("kind", choices=KINDS)
        parser.add_argument("name", metavar="NAME", help="its name in commands, such as my-attack")
        parser.add_argument("--to", type=Path, metavar="FOLDER", help="where it is written (default: mi-NAME here)")

    @staticmethod
    def run(options: argparse.Namespace) -> None:
        goal = options.to or Path(f"mi-{options.name}")
        for path in written(options.kind, options.name, goal):
            print(path)
        print(f"Now: pip install -e {goal}, pytest {goal}, mi-workbench list {options.kind}s")
