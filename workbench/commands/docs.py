"""``docs``: write the tables of README.md and docs/ anew, or check that they are what they would be."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from workbench.commands.base import command
from workbench.core.errors import Failure, UsageError
from workbench.core.paths import INSTALLED, ROOT
from workbench.core.weights import write_atomically

# <!-- table: attacks -->  ...  <!-- end -->
TABLE = re.compile(r"(?P<head><!-- table: (?P<name>\S+) -->\n)(?P<body>.*?)(?P<tail><!-- end -->)", re.DOTALL)


def documents(root: Path) -> list[Path]:
    """Return the documents of a checkout that may hold tables."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def renewed(text: str) -> str:
    """Return a document with each of its marked tables made anew; raises `UsageError` for a table that is none."""
    from workbench.commands.doc_tables import TABLES

    def table(match: re.Match[str]) -> str:
        if match["name"] not in TABLES:
            raise UsageError(f"There is no table '{match['name']}'; known: {', '.join(TABLES)}.")
        return f"{match['head']}\n{TABLES[match['name']]()}\n\n{match['tail']}"

    return TABLE.sub(table, text)


@command("docs", "Write or check the tables of README and docs/", order=8)
class Docs:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--write", action="store_true", help="write what has changed")
        what.add_argument("--check", action="store_true", help="write nothing; exit status 1 if something has changed")
        parser.add_argument("--root", type=Path, default=ROOT, metavar="DIR", help="another checkout")

    @staticmethod
    def run(options: argparse.Namespace) -> None:
        if INSTALLED and options.root == ROOT:
            raise UsageError("An installed copy has no documents. Name a checkout with --root.")
        stale = []
        for path in documents(options.root):
            before = path.read_text()
            if (after := renewed(before)) != before:
                stale.append(path.relative_to(options.root))
                if options.write:
                    write_atomically(path, after.encode())
        names = ", ".join(map(str, stale))
        if stale and options.check:
            raise Failure(f"Not what it would be: {names}. Run: python -m workbench docs --write")
        print(f"written: {names}" if stale else "All tables are what they would be.", file=sys.stderr)
