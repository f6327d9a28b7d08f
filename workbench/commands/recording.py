"""``record-examples``: run the first page's cards and keep what the stage plays of them before anything has run."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import torch

from workbench.commands.base import command
from workbench.core.errors import Failure
from workbench.core.paths import runs_dir
from workbench.core.records import RunState
from workbench.engine.compatibility import ensure_fits
from workbench.engine.examples import EXAMPLES, keep_example
from workbench.engine.execute import execute
from workbench.engine.model_cache import ModelCache, pick_device
from workbench.engine.presets import PRESETS, preset_of
from workbench.runs.ledger import FolderLedger
from workbench.runs.run_folder import RunFolder
from workbench.scenarios import SCENARIOS
from workbench.workers.scheduler import default_threads


@command("record-examples", "Record what the first page shows of its cards", order=8)
class RecordExamples:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--card", metavar="KEY", help="one card (default: all)")
        parser.add_argument("--write", type=Path, metavar="DIR", default=EXAMPLES, help="(default: assets/examples)")
        parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
        parser.add_argument("--threads", type=int, help="threads of torch (default: cores - 1)")

    @staticmethod
    def run(options: argparse.Namespace) -> None:
        cards = [preset_of(options.card)] if options.card else PRESETS
        pick_device(options.device)
        torch.set_num_threads(options.threads or default_threads())
        cache = ModelCache(options.device)
        for card in cards:
            ensure_fits(card.config)
            with tempfile.TemporaryDirectory() as held:  # an example is no run of anybody's
                shape = SCENARIOS[card.config.scenario].input_shape
                folder = RunFolder.fresh(Path(held) / card.key, card.config, shape)
                print(f"{card.key}: running", file=sys.stderr)
                state = execute(card.config, folder, cache, ledger=FolderLedger(folder), runs=runs_dir())
                if state is not RunState.FINISHED:
                    raise Failure(f"The run of {card.key} {state.value}: {folder.manifest()['reason']}.")
                size = keep_example(folder, card.key, options.write)
            print(f"{card.key}: {size // 1000} kB in {options.write / card.key}")
