"""``run``: one attack from the terminal, recorded like any other."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

from workbench.commands.base import assignments, command
from workbench.core.errors import StoreError
from workbench.core.paths import runs_dir
from workbench.core.payloads import Images
from workbench.core.records import Frame, RunConfig, RunState
from workbench.engine.compatibility import ensure_fits, notes
from workbench.engine.execute import execute
from workbench.engine.model_cache import ModelCache, pick_device
from workbench.engine.presets import default_config
from workbench.runs.ledger import FolderLedger
from workbench.runs.run_folder import RunFolder
from workbench.runs.store import RunStore
from workbench.scenarios import SCENARIOS
from workbench.targets.remote.sources import add_options, allow_from
from workbench.workers.scheduler import default_threads

ERASE = "\033[K"  # what a longer line before this one has left to its right


def summary(folder: RunFolder) -> dict[str, Any]:
    """Return the one JSON object that ``run --json`` prints."""
    manifest = folder.manifest()
    config = manifest["config"]
    return {
        "run": manifest["id"],
        **{k: config[k] for k in ("scenario", "target", "attack", "defense", "seed")},
        "device": manifest.get("device", {}).get("type"),
        "classes": config["classes"],
        **{k: manifest.get(k) for k in ("state", "reason", "steps", "seconds", "steps_per_second", "queries")},
        "metrics": manifest.get("metrics", {}),
        "baseline": manifest.get("baseline", {}),
        "target_accuracy": manifest.get("target_accuracy"),
        "note": manifest.get("note", ""),
    }


def show(frame: Frame, seconds: float) -> None:
    confidence = frame.payload.confidence if isinstance(frame.payload, Images) else None
    known = "" if confidence is None else f"  confidence {confidence.mean().item():.3f}"
    note = f"  {frame.note}" if frame.note else ""
    line = f"{frame.step}/{frame.total}  {seconds:.1f} s  {frame.queries} queries{known}{note}"
    print(f"\r{line}{ERASE}", end="", file=sys.stderr)


def prepare(config: RunConfig, out: Path | None) -> tuple[RunFolder, Any]:
    """Return a folder for the run and where its state is filed."""
    shape = SCENARIOS[config.scenario].input_shape
    if out is None:
        store = RunStore(runs_dir())
        return store.create(config, owner="command line", shape=shape), store
    if (out / "run.json").exists():
        raise StoreError(f"{out} already holds a run. Name a new folder with --out.")
    folder = RunFolder.fresh(out, config, shape)
    return folder, FolderLedger(folder)


@command("run", "Run one attack", order=2)
class Run:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--scenario", required=True)
        parser.add_argument("--attack", required=True)
        parser.add_argument("--target", metavar="ARCH", help="an architecture, http:NAME or onnx:NAME")
        add_options(parser)
        parser.add_argument("--defense", default="none", help="such as bido, 'bido(strength=2)' or bido+rounding")
        parser.add_argument("--asks", type=int, default=1, help="ask everything so often and average (default: 1)")
        parser.add_argument("--prior")
        parser.add_argument("--preset", default="demo", help="knob values to start from (default: demo)")
        parser.add_argument("--classes", default="all", help="such as 0,3,5 or 0-7 or all")
        parser.add_argument("--restarts", type=int, default=1)
        parser.add_argument("--budget", type=int, help="most queries")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
        parser.add_argument("--threads", type=int, help="threads of torch (default: cores - 1)")
        parser.add_argument("--set", dest="knobs", action="append", default=[], metavar="KNOB=VALUE")
        parser.add_argument("--out", type=Path, metavar="DIR", help="write the run here instead of the run store")
        parser.add_argument("--json", action="store_true", help="print one JSON object at the end")

    @staticmethod
    def run(options: argparse.Namespace) -> int:
        allow_from(options)
        chosen = {k: v for k, v in (("target", options.target), ("prior", options.prior)) if v is not None}
        config = default_config(
            options.scenario,
            options.attack,
            preset=options.preset,
            knobs=assignments(options.knobs),
            classes=options.classes,
            defense=options.defense,
            restarts=options.restarts,
            seed=options.seed,
            device=options.device,
            budget=options.budget,
            asks=options.asks,
            **chosen,
        )
        ensure_fits(config)
        for note in notes(config):
            print(f"note: {note}", file=sys.stderr)
        pick_device(options.device)
        torch.set_num_threads(options.threads or default_threads())
        folder, ledger = prepare(config, options.out)
        print(f"run {folder.id} in {folder.path}", file=sys.stderr)
        state = execute(config, folder, ModelCache(options.device), ledger=ledger, runs=runs_dir(), on_frame=show)
        found = summary(folder)
        print(f"\n{state.value}{': ' + found['reason'] if found['reason'] else ''}", file=sys.stderr)
        if options.json:
            print(json.dumps(found))
        else:
            for name, value in found["metrics"].items():
                floor = found["baseline"].get(name)
                print(
                    f"{name:<10} {'n/a' if value is None else f'{value:.3f}':>9}   random prior "
                    f"{'n/a' if floor is None else f'{floor:.3f}':>9}"
                )
        return 0 if state is RunState.FINISHED else 1
