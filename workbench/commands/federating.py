"""``federated``: participants who train a shared model, kept round by round; what protocols cost and hide."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any

import torch

from workbench.analysis.protocol_costs import costs
from workbench.analysis.vertical_costs import Vertical, compared
from workbench.commands.base import assignments, command
from workbench.core.errors import UsageError
from workbench.core.knobs import configure, knobs_of
from workbench.core.paths import runs_dir
from workbench.core.records import RunState, TrainingConfig
from workbench.engine.model_cache import ModelCache, pick_device
from workbench.federated.settings import FedAvg, Federation
from workbench.federated.start import bytes_needed
from workbench.federated.store import card_of_round, chosen, federations, folder_of, forget, rounds_done
from workbench.priors.training.loop import TrainingProgress
from workbench.runs.control import RunControl
from workbench.runs.store import RunStore
from workbench.targets import ARCHITECTURES
from workbench.trainings.execute import carry_out
from workbench.trainings.start import ensure_trainable
from workbench.workers.scheduler import default_threads


def knob_help(owner: type) -> str:
    """Return the knobs with their defaults, a line each."""
    return "\n".join(f"  {name}={knob.default}  {knob.help}" for name, knob in knobs_of(owner).items())


@command("federated", "Train a model among participants", order=4)
class Federated:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.epilog = f"knobs of --set:\n{knob_help(FedAvg)}\n\nof boost, on a table:\n{knob_help(Vertical)}"
        parser.add_argument("what", choices=("train", "list", "remove", "costs", "boost"))
        parser.add_argument("--scenario")
        parser.add_argument("--arch", help="architecture that is trained (default: softmax)")
        parser.add_argument("--set", dest="knobs", action="append", default=[], metavar="KNOB=VALUE")
        parser.add_argument("--name", help="which training to remove, as the list calls it")
        parser.add_argument("--resume", action="store_true", help="go on after the last complete round")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
        parser.add_argument("--threads", type=int, help="threads of torch (default: cores - 1)")
        parser.add_argument("--json", action="store_true", help="print JSON")

    @staticmethod
    def run(options: argparse.Namespace) -> int | None:
        if options.what == "list":
            listed(options)
            return None
        if options.scenario is None:
            raise UsageError("Name the scenario with --scenario.")
        return {"train": train, "remove": remove, "costs": protocol_costs, "boost": boost}[options.what](options)


def train(options: argparse.Namespace) -> int:
    config = TrainingConfig(
        "federated",
        options.scenario,
        target=options.arch or "softmax",
        seed=options.seed,
        recipe=assignments(options.knobs),
        resume=options.resume,
    )
    ensure_trainable(config)
    federation = Federation.trained_as(config)
    pick_device(options.device)
    torch.set_num_threads(options.threads or default_threads())
    store = RunStore(runs_dir())
    folder = store.create_training(config, owner="command line", state=RunState.RUNNING.value)
    print(
        f"{federation.arch} {federation.label}, {bytes_needed(federation) / 1e6:.0f} MB of rounds in {folder_of(federation)}",
        file=sys.stderr,
    )
    state = carry_out(config, folder, ModelCache(options.device), control=RunControl(), ledger=store, on_report=show)
    print(file=sys.stderr)
    rows = table(federation)
    if options.json:
        print(json.dumps({"training": folder.id, "name": federation.label, "state": state.value, "rounds": rows}))
    else:
        for row in rows:
            print(round_line(row))
    if state is not RunState.FINISHED:
        print(f"{state.value}: {folder.manifest()['reason']}", file=sys.stderr)
    return 0 if state is RunState.FINISHED else 1


def show(report: TrainingProgress) -> None:
    print(
        f"\r{report.step}/{report.total}  {report.seconds:.1f} s  accuracy {report.losses['accuracy']:.3f}",
        end="",
        file=sys.stderr,
    )


def table(federation: Federation) -> list[dict[str, Any]]:
    """Return the card of each round that is complete, with its number."""
    return [{"round": r, **card_of_round(federation, r)} for r in range(rounds_done(federation) + 1)]


def round_line(row: dict[str, Any]) -> str:
    own = [p["accuracy"] for p in row["participants"] if p["accuracy"] is not None]
    said = f"  participants {min(own):.3f} to {max(own):.3f}" if own else ""
    spent = row.get("privacy")
    said += f"  ε {spent['epsilon']:.2f} at δ {spent['delta']:g}" if spent else ""
    refused = "".join(f"\n    {p['refused']}" for p in row["participants"] if p["refused"])
    return f"round {row['round']:>3}  accuracy {row['heldout_accuracy']:.3f}{said}{refused}"


def listed(options: argparse.Namespace) -> None:
    rows = [
        {
            "scenario": f.scenario,
            "arch": ARCHITECTURES.entry(f.arch).key,
            "name": f.label,
            "rounds": rounds_done(f),
            "of": f.setting.rounds,
            "accuracy": card_of_round(f, max(0, rounds_done(f)))["heldout_accuracy"],
        }
        for f in federations(options.scenario)
    ]
    if options.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print(
            f"{row['scenario']}/{row['arch']:<10} {row['name']:<40} {row['rounds']}/{row['of']} rounds  accuracy {row['accuracy']:.3f}"
        )


def protocol_costs(options: argparse.Namespace) -> None:
    """Measure every protocol on one round of ten participants, two of whom drop out where it can lose them."""
    torch.set_num_threads(options.threads or default_threads())
    rows = list(costs(options.scenario, options.arch or "mlp", gone=2, seed=options.seed))
    if options.json:
        print(json.dumps([asdict(row) for row in rows]))
        return
    for row in rows:
        if row.problem:
            print(f"{row.title:<36} {row.problem}")
            continue
        view = "nothing that can be read" if row.view is None else f"{row.view:.1f} dB"
        numbers = max(row.measured for row in rows)
        part = "" if row.measured == numbers else f" (scaled from {row.measured} of {numbers} numbers)"
        print(
            f"{row.title:<36} {row.sent / 1e6:.2f} MB sent, {row.received / 1e6:.2f} MB received, {row.seconds:.2f} s{part}, "
            f"sum off by {row.error:.1e}, one update as the server sees it: {view}"
        )


def boost(options: argparse.Namespace) -> None:
    """Train boosted trees of two parties on a table, in the clear and under Paillier."""
    rows = list(compared(options.scenario, configure(Vertical, assignments(options.knobs)), options.seed))
    if options.json:
        print(json.dumps([asdict(row) for row in rows]))
        return
    for row in rows:
        print(
            f"{row.title:<14} "
            + (
                row.problem
                or f"accuracy {row.accuracy:.3f} (greater class {row.floor:.3f}), {row.seconds:.1f} s, "
                f"{row.sent / 1e6:.2f} MB sent, {row.received / 1e6:.2f} MB received, "
                f"{'the same trees' if row.same else 'OTHER TREES'}"
            )
        )


def remove(options: argparse.Namespace) -> None:
    if options.name is None:
        raise UsageError("Name the training with --name, as 'python -m workbench federated list' calls it.")
    federation = chosen(options.scenario, options.arch, options.name)
    forget(federation)
    print(f"removed {federation.arch} {federation.label}")
