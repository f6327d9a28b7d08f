"""``study``: let people judge what runs reconstructed, and read what they found."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from workbench.commands.base import command
from workbench.core.errors import UsageError
from workbench.core.paths import runs_dir
from workbench.core.weights import write_atomically
from workbench.runs.store import RunStore
from workbench.study.analyse import analyse
from workbench.study.design import Design, Rule, Task
from workbench.study.export import as_csv, as_json
from workbench.study.folder import StudyFolder, find, studies
from workbench.study.make import make
from workbench.study.readable import analysis_lines, tally_lines
from workbench.study.session import Study
from workbench.study.simulate import simulate

USUAL = Design("")


@command("study", "Let people judge reconstructions", order=5)
class StudyCommand:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--store", type=Path, default=runs_dir(), metavar="DIR", help="where runs and studies are kept"
        )
        acts = parser.add_subparsers(dest="act", required=True, metavar="what")
        new = acts.add_parser("new", help="freeze a study of runs, or of a folder of pictures")
        new.add_argument("runs", nargs="*", metavar="RUN", help="id of a run in the store")
        new.add_argument(
            "--images", type=Path, metavar="DIR", help="pictures of any other tool, a folder for each class"
        )
        new.add_argument("--scenario", help="whose photographs stand beside (default: that of the runs)")
        new.add_argument("--task", default=USUAL.task.value, choices=[task.value for task in Task])
        new.add_argument("--title", default="")
        for name, what in (
            ("seed", "of everything that is drawn"),
            ("trials", "reconstructions a rater is shown"),
            ("positives", "held-out photographs a rater is shown"),
            ("negatives", "pictures of others or of nobody a rater is shown"),
            ("catches", "catch trials of a rater"),
            ("references", "photographs beside a picture"),
            ("choices", "people in a line-up"),
        ):
            usual = getattr(USUAL, name)
            new.add_argument(f"--{name}", type=int, default=usual, help=f"{what} (default: {usual})")
        new.add_argument("--repeats", type=float, default=USUAL.repeats, help="share of trials asked twice")
        new.add_argument(
            "--catches-right", type=float, default=USUAL.rule.catches_right, help="least share, else left out"
        )
        new.add_argument("--median-ms", type=int, default=USUAL.rule.median_ms, help="least median time, else left out")
        acts.add_parser("list", help="name every study of the store")
        link = add_study(acts, "link", "print the link for raters")
        link.add_argument("--url", default="http://127.0.0.1:7860", help="the server's address as raters reach it")
        link.add_argument("--qr", type=Path, metavar="SVG", help="write the link as a QR code")
        tally = add_study(acts, "tally", "print who came and how far they are")
        tally.add_argument(
            "--simulate", type=int, default=0, metavar="N", help="first let N programs answer, marked so"
        )
        end = add_study(acts, "end", "take no more answers")
        export = add_study(acts, "export", "write the answers as CSV, or as JSON where the name ends so")
        export.add_argument("--out", type=Path, metavar="FILE", help="default: CSV on standard output")
        found = add_study(acts, "analyse", "print what was found")
        for part in (tally, found, end):
            part.add_argument("--json", action="store_true")
        gone = add_study(acts, "delete-rater", "remove one rater and everything they answered")
        gone.add_argument("rater", metavar="RATER", help="such as r-0123456789abcdef")

    @staticmethod
    def run(options: argparse.Namespace) -> None:
        if options.act == "new":
            return print(new_study(options).id)
        if options.act == "list":
            for folder in studies(options.store):
                print(f"{folder.id}  {folder.title}")
            return None
        study = Study(find(options.store, options.study))
        try:
            ACTS[options.act](study, options)
        finally:
            study.close()


def add_study(acts: argparse._SubParsersAction, name: str, what: str) -> argparse.ArgumentParser:
    part: argparse.ArgumentParser = acts.add_parser(name, help=what)
    part.add_argument("study", metavar="STUDY")
    return part


def new_study(options: argparse.Namespace) -> StudyFolder:
    store = RunStore(options.store)
    scenario = options.scenario
    if scenario is None:
        if not options.runs:
            raise UsageError("Name a run, or --scenario with --images.")
        scenario = store.folder(options.runs[0]).config().scenario
    same = ("title", "seed", "trials", "positives", "negatives", "catches", "references", "choices", "repeats")
    design = Design(
        scenario,
        tuple(options.runs),
        Task(options.task),
        rule=Rule(options.catches_right, options.median_ms),
        **{name: getattr(options, name) for name in same},
    )
    return make(store, design, folder=options.images)


def link(study: Study, options: argparse.Namespace) -> None:
    address = f"{options.url.rstrip('/')}/study/{study.id}"
    if options.qr is not None:
        from workbench.study.qr import qr_svg

        write_atomically(options.qr, qr_svg(address))
    print(address)


def tally(study: Study, options: argparse.Namespace) -> None:
    if options.simulate:
        simulate(study, options.simulate, seed=len(study.answers.raters()))
    said = tally_lines(study)
    print(json.dumps(said) if options.json else "\n".join(said["lines"]))


def end(study: Study, options: argparse.Namespace) -> None:
    study.answers.end()
    tally(study, argparse.Namespace(simulate=0, json=options.json))


def export(study: Study, options: argparse.Namespace) -> None:
    if options.out is None:
        sys.stdout.write(as_csv(study).decode())
    else:
        write_atomically(options.out, as_json(study) if options.out.suffix == ".json" else as_csv(study))


def analysed(study: Study, options: argparse.Namespace) -> None:
    found = analyse(study)
    print(json.dumps(found) if options.json else "\n".join(analysis_lines(found)))


def delete_rater(study: Study, options: argparse.Namespace) -> None:
    print(f"{options.rater} is gone, with {study.answers.delete(options.rater)} answers.")


ACTS = {
    "link": link,
    "tally": tally,
    "end": end,
    "export": export,
    "analyse": analysed,
    "delete-rater": delete_rater,
}
