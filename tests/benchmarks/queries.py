"""Queries against accuracy: Acc@1 of every black-box attack after so many queries a class, and the floor.

    python tests/benchmarks/queries.py --scenario digits --queries 1000,5000,20000
    python tests/benchmarks/queries.py --scenario faces --classes 0-7 --attacks brep-mi,mirror-bb --out table.json
    python tests/benchmarks/queries.py --batching brep-mi,rlb-mi

An attack that asks step by step runs once, and its best candidates are judged as it passes each number; one
that asks first and computes then runs once for each number, as its budget.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from workbench.attacks import ATTACKS
from workbench.commands.base import assignments
from workbench.core.errors import BudgetSpent
from workbench.core.knobs import knobs_of
from workbench.core.records import Access, Frame
from workbench.engine.context import build_context, frames_of
from workbench.engine.model_cache import ModelCache
from workbench.engine.presets import default_config
from workbench.engine.resolve import resolve
from workbench.metrics.judge import judge
from workbench.scenarios import SCENARIOS

BLACK_BOX = [a.key for a in ATTACKS if a.info.access is not Access.WHITE_BOX and a.key != "random"]
ASK_FIRST = {"yang", "zhu", "lokt"}
# What spends as many queries as it is given: enough steps, or, where steps cost none, images to ask about.
ENDLESS = {"steps": 10**9}
ENDLESS_ASKING = {"queries": 10**9, "images": 10**9}


class Marks:
    """A control to which a frame is due whenever another number of queries has been passed."""

    def __init__(self, marks: list[int]) -> None:
        self.marks, self.target = list(marks), None

    def value(self, name: str, default: object) -> object:
        return default

    def due(self, step: int) -> bool:
        return bool(self.marks) and self.target.queries >= self.marks[0]


def endless(attack: str, chosen: dict[str, str]) -> dict[str, object]:
    """Return knob values with which an attack is limited by its budget alone."""
    declared, asking = knobs_of(ATTACKS[attack]), ENDLESS_ASKING if attack in ASK_FIRST else ENDLESS
    longest = {k: min(v, int(declared[k].hi)) for k, v in asking.items() if k in declared}
    return {**longest, **{k: v for k, v in chosen.items() if k in declared}}


def frames_at(
    cache: ModelCache,
    scenario: str,
    attack: str,
    classes: list[int],
    marks: list[int],
    seed: int,
    chosen: dict[str, str],
) -> list[Frame]:
    """Return the frame that an attack has to show after each number of queries."""
    config = default_config(
        scenario, attack, classes=classes, knobs=endless(attack, chosen), seed=seed, budget=marks[-1]
    )
    control = Marks(marks)
    run = resolve(config, cache)
    context = build_context(run, cache, control)
    control.target = context.target
    found: list[Frame] = []
    try:
        for frame in frames_of(run, context):
            last = frame
            # One that asks first has found nothing yet when its queries are spent.
            while attack not in ASK_FIRST and control.marks and frame.queries >= control.marks[0]:
                control.marks.pop(0)
                found.append(frame)
    except BudgetSpent:
        pass
    return found + [last] * (len(marks) - len(found))


def table(options: argparse.Namespace) -> list[dict[str, object]]:
    cache, classes = ModelCache(options.device), SCENARIOS[options.scenario]().classes(options.classes)
    judging, labels = cache.evaluation(options.scenario), torch.tensor(classes)
    per_class = [int(q) for q in options.queries.split(",")]
    rows: list[dict[str, object]] = []
    for attack in options.attacks.split(","):
        marks = [q * len(classes) for q in per_class]
        groups = [[m] for m in marks] if attack in ASK_FIRST else [marks]
        for group in groups:
            begun = time.monotonic()
            frames = frames_at(
                cache, options.scenario, attack, classes, group, options.seed, assignments(options.knobs)
            )
            seconds = time.monotonic() - begun
            for mark, frame in zip(group, frames, strict=True):
                found = judge(frame.payload.images.cpu(), labels, judging)
                known = None if frame.payload.confidence is None else frame.payload.confidence.mean().item()
                rows.append(
                    {
                        "scenario": options.scenario,
                        "attack": attack,
                        "seed": options.seed,
                        "n": len(classes),
                        "queries_per_class": mark // len(classes),
                        "asked_per_class": frame.queries / len(classes),
                        "acc@1": found.overall["acc@1"],
                        "acc@5": found.overall["acc@5"],
                        "knn_dist": found.overall["knn_dist"],
                        "confidence": known,
                        "seconds": round(seconds, 1),
                    }
                )
                print(
                    "{attack:<10} {queries_per_class:>7} asked {asked_per_class:>9.0f}  acc@1 {acc@1:.2f}  knn {knn_dist:.2f}"
                    "  run {seconds} s".format(**rows[-1]),
                    flush=True,
                )
    prior, rng = cache.baseline_prior(options.scenario), torch.Generator().manual_seed(options.seed)
    with torch.no_grad():
        floor = judge(prior.decode(prior.sample(500, rng)), labels.repeat(-(-500 // len(labels)))[:500], judging)
    print(f"random prior, n=500: acc@1 {floor.overall['acc@1']:.2f}  knn {floor.overall['knn_dist']:.2f}")
    return rows


def batching(options: argparse.Namespace) -> None:
    """Print what a step for every class costs against one for one class."""
    cache, everyone = ModelCache(options.device), SCENARIOS[options.scenario]().classes(options.classes)
    for attack in options.batching.split(","):
        spent = {}
        for classes in ([everyone[0]], everyone):
            frames_at(cache, options.scenario, attack, classes, [600 * len(classes)], 0, {})
            begun = time.process_time()
            frame = frames_at(cache, options.scenario, attack, classes, [1500 * len(classes)], 0, {})[0]
            spent[len(classes)] = (time.process_time() - begun) / frame.step
        one, every = spent[1], spent[len(everyone)]
        print(
            f"{attack}: {len(everyone)} classes cost {every / one:.1f} times one ({every * 1e3:.0f} ms and "
            f"{one * 1e3:.0f} ms of processor a step; aim: at most 5)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="digits")
    parser.add_argument("--attacks", default=",".join(BLACK_BOX))
    parser.add_argument("--classes", default="all")
    parser.add_argument("--queries", default="1000,5000,20000", help="queries a class, ascending")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--set", dest="knobs", action="append", default=[], metavar="KNOB=VALUE")
    parser.add_argument("--batching", help="instead, measure what all classes at once cost these attacks")
    parser.add_argument("--out", type=Path, help="write the table as JSON")
    options = parser.parse_args()
    torch.set_num_threads(max(1, torch.get_num_threads() - 1))
    if options.batching:
        batching(options)
        return
    rows = table(options)
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
