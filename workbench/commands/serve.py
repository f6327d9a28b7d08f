"""``serve``: the interface, as ``python app.py`` starts it."""

from __future__ import annotations

import argparse
import runpy
import sys

from workbench.commands.base import command
from workbench.core.paths import ROOT


@command("serve", "Start the interface (same as app.py; its options follow --)", order=6)
class Serve:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("options", nargs=argparse.REMAINDER, help="options of app.py")

    @staticmethod
    def run(options: argparse.Namespace) -> None:
        sys.argv = [str(ROOT / "app.py"), *(o for o in options.options if o != "--")]
        runpy.run_path(sys.argv[0], run_name="__main__")
