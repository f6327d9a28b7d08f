"""``evaluate``: judge a recorded run's result again."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from workbench.commands.base import command
from workbench.core.errors import DataMissing
from workbench.engine.conclude_later import conclude_later
from workbench.engine.model_cache import ModelCache
from workbench.metrics.judge import judge
from workbench.runs.run_folder import RunFolder
from workbench.runs.run_index import NAME as INDEX
from workbench.runs.store import RunStore


@command("evaluate", "Judge a recorded run with the evaluator", order=4)
class Evaluate:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("run", type=Path, metavar="RUN_DIR")
        parser.add_argument("--device", default="auto")
        parser.add_argument("--json", action="store_true")

    @staticmethod
    def run(options: argparse.Namespace) -> None:
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
        judgement = judge(result["images"], result["labels"], context)
        if options.json:
            print(
                json.dumps(
                    {"run": folder.id, "scenario": config.scenario, "attack": config.attack, **judgement.to_json()}
                )
            )
        else:
            for name, value in judgement.overall.items():
                print(f"{name:<10} {'n/a' if value is None else f'{value:.3f}'}")
