"""``report``: what a run was and what came of it, as files to take away."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from workbench.commands.base import command
from workbench.core.errors import StoreError
from workbench.core.paths import runs_dir
from workbench.core.weights import write_atomically
from workbench.reports.film import NO_WEBM, can_webm, gif, webm
from workbench.reports.html import report_html
from workbench.reports.inferred import is_inference
from workbench.reports.record import record_of
from workbench.runs.run_folder import RunFolder
from workbench.runs.store import RunStore

FORMATS = ("html", "json", "gif", "webm")


def folder_of(run: str) -> RunFolder:
    """Return a run by its id in the run store, or by its folder; raises `StoreError`."""
    if (Path(run) / "run.json").is_file():
        return RunFolder(Path(run).resolve())
    return RunStore(runs_dir()).folder(run)


def written(folder: RunFolder, out: Path, wanted: list[str], against: RunFolder | None) -> list[Path]:
    """Write the files that are wanted of a run; return them. A film needs frames, WebM an encoder besides."""
    makers: dict[str, Callable[[], bytes]] = {
        "html": lambda: report_html(folder, against).encode(),
        "json": lambda: (json.dumps(record_of(folder, against), indent=1, allow_nan=False) + "\n").encode(),
        "gif": lambda: gif(folder),
        "webm": lambda: webm(folder),
    }
    files = []
    for kind in wanted:
        file = out / f"{folder.id}.{kind}"
        try:
            out.mkdir(parents=True, exist_ok=True)
            write_atomically(file, makers[kind]())
        except OSError as error:
            raise StoreError(f"{file} cannot be written ({error.strerror}). Name another folder with --out.") from None
        files.append(file)
    return files


@command("report", "Write a report of a run, to take away", order=5)
class TakeReport:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("run", metavar="RUN", help="a run's id in the run store, or its folder")
        parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write")
        parser.add_argument(
            "--formats",
            nargs="+",
            choices=FORMATS,
            help="which files (default: all, films where the run has pictures, WebM where its encoder is installed)",
        )
        parser.add_argument(
            "--against", metavar="RUN", help="tell what changed against this run (default: the one it comes from)"
        )

    @staticmethod
    def run(options: argparse.Namespace) -> None:
        folder = folder_of(options.run)
        against = folder_of(options.against) if options.against else None
        wanted = options.formats
        if wanted is None:
            drawn = folder.latest() is not None and not is_inference(folder)
            wanted = ["html", "json", *(["gif"] if drawn else []), *(["webm"] if drawn and can_webm() else [])]
            if drawn and not can_webm():
                print(f"note: {NO_WEBM}", file=sys.stderr)
        for file in written(folder, options.out, wanted, against):
            print(file)
