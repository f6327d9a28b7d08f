"""``evaluate``: judge a recorded run's result again, or images that any other tool has made."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from workbench.commands.base import command
from workbench.commands.figures import print_figures, verdict_lines
from workbench.core.errors import DataMissing, UsageError
from workbench.engine.conclude_later import conclude_later
from workbench.engine.judging import verdict_json
from workbench.engine.judging_brought import judge_brought
from workbench.engine.model_cache import ModelCache
from workbench.metrics.judge import judge
from workbench.runs.run_folder import RunFolder
from workbench.runs.run_index import NAME as INDEX
from workbench.runs.store import RunStore
from workbench.scenarios import SCENARIOS
from workbench.scenarios.brought import read_brought
from workbench.scenarios.images import image_paths
from workbench.targets import ARCHITECTURES


@command("evaluate", "Judge a recorded run, or images that another tool made", order=4)
class Evaluate:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("run", type=Path, metavar="RUN_DIR", nargs="?")
        parser.add_argument(
            "--images",
            type=Path,
            metavar="DIR",
            help="judge these images instead of a run: a folder for each class (its number or name), file names that begin "
            "with the class's number, or a CSV with the columns file and class; without classes: who is on each?",
        )
        parser.add_argument("--scenario", help="whom the images of --images are to show")
        parser.add_argument("--target", metavar="ARCH", help="what they were made against: its body may not judge them")
        parser.add_argument("--device", default="auto")
        parser.add_argument("--json", action="store_true")

    @staticmethod
    def run(options: argparse.Namespace) -> None:
        if (options.run is None) == (options.images is None):
            raise UsageError("Name a run's folder, or a folder of images with --images and their --scenario.")
        if options.images is not None:
            evaluate_images(options)
        else:
            evaluate_run(options)


def evaluate_run(options: argparse.Namespace) -> None:
    """Judge a recorded run's result again."""
    if not (options.run / "run.json").exists() and options.run.is_dir() and image_paths(options.run):
        raise UsageError(
            f"{options.run} holds images and no run. Judge them with: evaluate --images {options.run} --scenario KEY"
        )
    folder, cache = RunFolder(options.run), ModelCache(options.device)
    config = folder.config()
    if not folder.has_result():  # it was cut short; its last frame stands for it
        store = folder.path.resolve().parent
        conclude_later(folder, cache, RunStore(store) if (store / INDEX).is_file() else None)
    result = folder.result()
    context = cache.evaluation(config.scenario)
    if context is None:
        raise DataMissing(
            f"{config.scenario} cannot be judged here: its evaluator or its private images are "
            "missing. 'python -m workbench doctor' says which, and how to get them."
        )
    # A target elsewhere may have any body; of one made here it is known, and may not judge.
    body = ARCHITECTURES.entry(config.target).info.body if config.target in ARCHITECTURES else ""
    panel = context.panel.apart_from(body)
    judgement = judge(result["images"], result["labels"], context, panel)
    ceiling = cache.ceiling(config.scenario)
    verdict = verdict_json(judgement, None, ceiling) if ceiling else None
    if options.json:
        told = {"run": folder.id, "scenario": config.scenario, "attack": config.attack, "verdict": verdict}
        print(json.dumps({**told, **judgement.to_json()}))
    else:
        if verdict:
            print(*verdict_lines(verdict), sep="\n")
        for name, value in judgement.overall.items():
            print(f"{name:<10} {'n/a' if value is None else f'{value:.3f}'}")


def evaluate_images(options: argparse.Namespace) -> None:
    """Judge images that another tool has made."""
    if options.scenario is None:
        raise UsageError(f"Say with --scenario whom the images are to show: {', '.join(SCENARIOS.keys())}.")
    scenario = SCENARIOS[options.scenario]()
    if options.target is not None:
        ARCHITECTURES.entry(options.target)
    brought = read_brought(options.images, scenario)
    found = judge_brought(brought, options.scenario, ModelCache(options.device), options.target or "")
    if options.json:
        print(json.dumps(found))
        return
    if brought.fitted:
        print(f"note: {brought.fitted} of {found['n']} images had another size and were fitted", file=sys.stderr)
    print(f"{found['n']} images, {found['layout']}")
    if brought.labels is None:
        for row in found["pictures"]:
            said = "; ".join(f"{s['title']} {s['name'] or 'nobody'} ({s['score']:.2f})" for s in row["says"].values())
            print(f"{row['file']}: {said}")
        return
    if found["verdict"]:
        print(*verdict_lines(found["verdict"]), sep="\n")
    print_figures(found)
