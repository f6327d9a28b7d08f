"""``data``: pictures of one's own: what is in them, and a scenario of them."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.analysis.own_data import OwnPictures, bring, thumbnails
from workbench.commands.base import command
from workbench.core.errors import UsageError
from workbench.core.weights import write_atomically
from workbench.scenarios.own.store import accept, name_problem, own_dir, remove
from workbench.scenarios.reading.layout import CLASSES_FROM
from workbench.scenarios.reading.picture import FITTINGS
from workbench.scenarios.sets.base import DATA_SETS


def reading_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says how pictures are read."""
    parser.add_argument(
        "source", type=Path, metavar="SOURCE", help="a folder, a .zip of one, an .npz file or a data set"
    )
    parser.add_argument("--public", type=Path, metavar="SOURCE", help="what the attacker has, if it lies elsewhere")
    parser.add_argument("--set", metavar="KEY", help="it is this data set of the field; 'data sets' lists them")
    parser.add_argument("--public-set", metavar="KEY", help="--public is this data set")
    parser.add_argument("--side", type=int, help="pixels across and down, 28 to 256; 64 if nothing else is known")
    parser.add_argument("--grey", action="store_true", help="one channel instead of three")
    parser.add_argument("--how", choices=FITTINGS, default="crop", help="cut to the middle, or fit between black bars")
    parser.add_argument("--classes-from", choices=CLASSES_FROM, default="auto", help="which folder is the class")
    parser.add_argument("--private", metavar="NAMES", help="the private classes, 'ann,bob', or how many")
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="write thumbnails of every class there")
    parser.add_argument("--json", action="store_true")


def private_of(text: str | None) -> list[str] | int | None:
    """Return what --private names."""
    if text is None:
        return None
    return int(text) if text.isdecimal() else [name.strip() for name in text.split(",") if name.strip()]


def brought_by(options: argparse.Namespace) -> OwnPictures:
    """Read and look through what the arguments name, showing how far it is."""
    return bring(
        options.source,
        public=options.public,
        data_set=options.set,
        public_set=options.public_set,
        side=options.side,
        grey=options.grey,
        how=options.how,
        classes_from=options.classes_from,
        private=private_of(options.private),
        progress=bar(sys.stderr.isatty()),
    )


def bar(shown: bool) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if shown and (done % 50 == 0 or done == total):
            print(f"\r{done} of {total} files", end="\n" if done == total else "", file=sys.stderr, flush=True)

    return progress


def tell(brought: OwnPictures, options: argparse.Namespace) -> None:
    """Print what was found, and write the thumbnails where they are wanted."""
    if options.sheet is not None:
        png = io.BytesIO()
        thumbnails(brought).save(png, "png")
        write_atomically(options.sheet, png.getvalue())
    if options.json:
        print(json.dumps(brought.to_json()))
        return
    found = brought.to_json()
    print(f"{found['pictures']} pictures read, {found['layout']}; {' × '.join(map(str, found['shape']))}")
    print(f"private: {len(found['classes'])} classes, {found['private']} pictures; public: {found['public']} pictures")
    for row in found["classes"][:12]:
        print(f"  {row['name']:<28} {row['train']:>5} to learn from, {row['heldout']:>4} held out")
    if len(found["classes"]) > 12:
        print(f"  … and {len(found['classes']) - 12} more")
    for text in found["remarks"]:
        print(f"note: {text}")
    for text in found["problems"]:
        print(f"problem: {text}")


def check(options: argparse.Namespace) -> int:
    brought = brought_by(options)
    tell(brought, options)
    return 1 if brought.plan.problems() else 0


def add(options: argparse.Namespace) -> int:
    if problem := name_problem(options.name):
        raise UsageError(problem)  # before a minute of reading
    brought = brought_by(options)
    tell(brought, options)
    made = accept(
        brought.plan,
        options.name,
        shape=brought.shape,
        how=options.how,
        title=options.title or brought.title,
        noun=options.noun or brought.noun,
        source=options.about or brought.about,
        flips=brought.flips,
        licence=brought.licence,
        data_set=options.set or "",
    )
    if not options.json:
        print(f"{made.key} is a scenario now. Train its target, its evaluator and a prior:")
        for what in ("target --arch resnet", "evaluator", "prior --prior pca"):
            print(f"  python -m workbench train {what} --scenario {made.key}")
    return 0


def sets(options: argparse.Namespace) -> int:
    rows: list[dict[str, Any]] = [
        {"key": entry.key}
        | {
            name: getattr(entry.item, name)
            for name in ("title", "paper", "expected", "shape", "protocol", "licence", "obtain")
        }
        for entry in DATA_SETS
    ]
    if options.json:
        print(json.dumps(rows))
        return 0
    for row in rows:
        print(f"{row['key']:<14} {row['title']}; {row['protocol']}.")
        print(f"{'':<14} layout: {row['expected']}")
        print(f"{'':<14} licence: {row['licence']}. {row['obtain']}")
    return 0


def drop(options: argparse.Namespace) -> int:
    remove(options.name)
    print(f"{options.name} is removed from {own_dir()}; its weights and runs stay.")
    return 0


@command("data", "Make a scenario of your own pictures", order=3)
class Data:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="action")
        checking = actions.add_parser("check", help="say what is in a folder, an archive or an array; nothing is kept")
        reading_arguments(checking)
        checking.set_defaults(act=check)
        adding = actions.add_parser("add", help="make a scenario of it")
        adding.add_argument("name", metavar="NAME", help="the new scenario's key")
        reading_arguments(adding)
        adding.add_argument("--title", help="what people call it")
        adding.add_argument("--noun", help="what one class is called: person, breed, digit …")
        adding.add_argument("--about", help="where the pictures come from, in words")
        adding.set_defaults(act=add)
        listing = actions.add_parser(
            "sets", help="the data sets of the field: layout, who is private, licence, how to get them"
        )
        listing.add_argument("--json", action="store_true")
        listing.set_defaults(act=sets)
        removing = actions.add_parser("remove", help="delete a scenario of your own pictures; weights and runs stay")
        removing.add_argument("name", metavar="NAME")
        removing.set_defaults(act=drop)

    @staticmethod
    def run(options: argparse.Namespace) -> int:
        status: int = options.act(options)
        return status
