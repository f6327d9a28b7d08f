"""``run``: one attack from the terminal, recorded like any other."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

from workbench.commands.base import assignments, command
from workbench.commands.checking import check
from workbench.commands.figures import print_attributes, print_figures, verdict_lines
from workbench.commands.target_file import is_file_name, target_in
from workbench.core.errors import StoreError, UsageError
from workbench.core.paths import runs_dir
from workbench.core.payloads import Images
from workbench.core.records import Frame, RunConfig, RunState
from workbench.engine.compatibility import ensure_fits, notes
from workbench.engine.execute import execute
from workbench.engine.model_cache import ModelCache, pick_device
from workbench.engine.presets import default_config
from workbench.engine.restore import MOST_BYTES, Restored, restore
from workbench.federated.store import chosen, rounds_done
from workbench.runs.ledger import FolderLedger
from workbench.runs.run_folder import RunFolder
from workbench.runs.store import RunStore
from workbench.scenarios import SCENARIOS
from workbench.tabular.kinds import shape_of
from workbench.targets.remote.sources import add_options, allow_from
from workbench.workers.scheduler import default_threads

ERASE = "\033[K"  # what a longer line before this one has left to its right
OF_TABLES = ("data", "target_figures", "by_value", "baselines", "disparity")  # of attribute inferences
FLAGS = ("target", "prior", "defense", "classes", "restarts", "budget", "seed", "asks")  # that settings may come from


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
        "intervals": manifest.get("intervals", {}),
        "baseline": manifest.get("baseline", {}),
        "ceiling": manifest.get("ceiling", {}),
        "judged": manifest.get("judged"),
        "sets": manifest.get("sets", {}),
        "verdict": manifest.get("verdict"),
        "matched": manifest.get("matched"),
        "target_accuracy": manifest.get("target_accuracy"),
        "target_warning": manifest.get("target_warning", ""),
        "note": manifest.get("note", ""),
        **{name: manifest[name] for name in OF_TABLES if name in manifest},
    }


def show(frame: Frame, seconds: float) -> None:
    confidence = frame.payload.confidence if isinstance(frame.payload, Images) else None
    known = "" if confidence is None else f"  confidence {confidence.mean().item():.3f}"
    note = f"  {frame.note}" if frame.note else ""
    line = f"{frame.step}/{frame.total}  {seconds:.1f} s  {frame.queries} queries{known}{note}"
    print(f"\r{line}{ERASE}", end="", file=sys.stderr)


def prepare(config: RunConfig, out: Path | None, again: str = "") -> tuple[RunFolder, Any]:
    """Return a folder for the run and where its state is filed.

    Args:
        again: the run whose settings it takes up; "" for none.
    """
    shape = shape_of(config.scenario)
    fields: dict[str, Any] = {"again": again} if again else {}
    if out is None:
        store = RunStore(runs_dir())
        return store.create(config, owner="command line", shape=shape, state=RunState.RUNNING, **fields), store
    if (out / "run.json").exists():
        raise StoreError(f"{out} already holds a run. Name a new folder with --out.")
    folder = RunFolder.fresh(out, config, shape, **fields)
    return folder, FolderLedger(folder)


def read_settings(path: Path) -> Restored:
    """Return the settings in a file; raises `UsageError` if it cannot be read or holds none."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"--from {path}: the file cannot be read ({error.strerror}).") from None
    restored = restore(data)
    for note in restored.notes:
        print(f"note: {note}", file=sys.stderr)
    return restored


def configured(options: argparse.Namespace, restored: Restored | None = None) -> RunConfig:
    """Return what the flags say, over the settings of an earlier run where they name one.

    With another attack its own knobs and prior count, with another scenario its own target, classes and prior.
    """
    flags = {name: getattr(options, name) for name in FLAGS if getattr(options, name) is not None}
    knobs = assignments(options.knobs)
    if (options.round, options.victim, options.federated) != (None, None, None):
        flags["target"] = model_of_round(options, restored)
    if restored is None and options.source is not None:
        restored = read_settings(options.source)
    if restored is None:
        if missing := [name for name in ("scenario", "attack") if getattr(options, name) is None]:
            raise UsageError(f"Name the {missing[0]} with --{missing[0]}, or an earlier run's file with --from.")
        preset = options.preset or "demo"
        return default_config(
            options.scenario, options.attack, preset=preset, knobs=knobs, device=options.device, **flags
        )
    earlier = restored.config
    scenario, attack = options.scenario or earlier.scenario, options.attack or earlier.attack
    kept = {name: getattr(earlier, name) for name in ("restarts", "seed", "budget", "asks", "defense")}
    if scenario == earlier.scenario:
        kept |= {"target": earlier.target, "classes": list(earlier.classes)}
    if attack == earlier.attack and earlier.prior is not None:
        kept["prior"] = earlier.prior
    if attack == earlier.attack and options.preset is None:
        knobs = {**earlier.knobs, **knobs}
    preset = options.preset or "demo"
    return default_config(scenario, attack, preset=preset, knobs=knobs, device=options.device, **{**kept, **flags})


def checked(options: argparse.Namespace) -> int:
    """Look at a target before anything attacks it; raises `UsageError` where no scenario is named."""
    if options.scenario is None:
        raise UsageError("Name the scenario whose people the target is to be asked about with --scenario.")
    return check(options.scenario, options.target or SCENARIOS[options.scenario].default_target, options.json)


def model_of_round(options: argparse.Namespace, restored: Restored | None) -> str:
    """Return the target that --round, --victim and --federated name; raises `DataMissing` or `UsageError`."""
    scenario = options.scenario or (restored.config.scenario if restored else None)
    if scenario is None:
        raise UsageError("Name the scenario with --scenario.")
    federation = chosen(scenario, options.target, options.federated)
    round_ = rounds_done(federation) if options.round is None else options.round
    return federation.target(round_, options.victim or "global")


@command("run", "Run one attack", order=2)
class Run:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--from",
            dest="source",
            type=Path,
            metavar="FILE",
            help="settings of an earlier run: its record (JSON) or a picture of it (PNG); other flags override them",
        )
        parser.add_argument("--scenario")
        parser.add_argument("--attack")
        parser.add_argument(
            "--target",
            metavar="ARCH",
            help="an architecture, a file of weights or .onnx, http:NAME or onnx:NAME; of tables linear, tree or mlp",
        )
        add_options(parser)
        parser.add_argument(
            "--round", type=int, metavar="N", help="attack a model of this round of a federated training"
        )
        parser.add_argument("--victim", help="whose: global, aggregate or participant:N (default: global)")
        parser.add_argument("--federated", metavar="NAME", help="which federated training (default: the newest)")
        parser.add_argument("--defense", help="such as bido, 'bido(strength=2)' or bido+rounding")
        parser.add_argument("--asks", type=int, help="ask everything so often and average (default: 1)")
        parser.add_argument("--prior")
        parser.add_argument("--preset", help="knob values to start from (default: demo)")
        parser.add_argument(
            "--classes", help="such as 0,3,5 or 0-7 or all (default: all); of tables, the records that are watched"
        )
        parser.add_argument("--restarts", type=int, help="tries per class (default: 1)")
        parser.add_argument("--budget", type=int, help="most queries (default: no limit)")
        parser.add_argument("--seed", type=int, help="(default: 0)")
        parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
        parser.add_argument("--threads", type=int, help="threads of torch (default: cores - 1)")
        parser.add_argument("--set", dest="knobs", action="append", default=[], metavar="KNOB=VALUE")
        parser.add_argument("--out", type=Path, metavar="DIR", help="write the run here instead of the run store")
        parser.add_argument(
            "--check",
            action="store_true",
            help="attack nothing: say how many photographs of its own people the target recognises, and by which scaling",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object at the end")

    @staticmethod
    def run(options: argparse.Namespace) -> int:
        restored = read_settings(options.source) if options.source is not None else None
        if options.target is not None and is_file_name(options.target):
            options.target = target_in(
                options.target, options.scenario or (restored.config.scenario if restored else None)
            )
        allow_from(options)
        if options.check:
            return checked(options)
        config = configured(options, restored)
        ensure_fits(config)
        for note in notes(config):
            print(f"note: {note}", file=sys.stderr)
        pick_device(options.device)
        torch.set_num_threads(options.threads or default_threads())
        folder, ledger = prepare(config, options.out, restored.source if restored else "")
        print(f"run {folder.id} in {folder.path}", file=sys.stderr)
        state = execute(config, folder, ModelCache(options.device), ledger=ledger, runs=runs_dir(), on_frame=show)
        result = summary(folder)
        print(f"\n{state.value}{': ' + result['reason'] if result['reason'] else ''}", file=sys.stderr)
        if options.json:
            print(json.dumps(result))
        else:
            if result["verdict"]:
                print(*verdict_lines(result["verdict"]), sep="\n")
            if found := result["matched"]:
                for number, (near, alike) in enumerate(zip(found["psnr"], found["ssim"], strict=True)):
                    print(f"image {number} of the batch: PSNR {near:.1f} dB, SSIM {alike:.3f}")
            if "by_value" in result:
                print_attributes(result)
            else:
                print_figures(result)
        return 0 if state is RunState.FINISHED else 1
