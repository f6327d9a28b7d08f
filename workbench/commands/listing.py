"""``list``: everything that is registered, and whether it can be used here."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from workbench.analysis.prior_quality import figures_of
from workbench.attacks import ATTACKS, attacks_by_access
from workbench.commands.base import command
from workbench.core.errors import WorkbenchError
from workbench.core.knobs import knobs_of
from workbench.core.records import Access
from workbench.core.registry import Info
from workbench.defenses import DEFENSES
from workbench.defenses.not_applicable import NOT_APPLICABLE
from workbench.defenses.store import target_card, target_problem
from workbench.metrics import METRICS
from workbench.metrics.sets import SET_METRICS
from workbench.priors import PRIORS
from workbench.priors.base import lender_of, prior_card, prior_problem
from workbench.scenarios import SCENARIOS
from workbench.tabular.attacks import INFERENCES
from workbench.tabular.inquiry import scenario_now
from workbench.tabular.models import MODELS
from workbench.tabular.scenarios.base import OWN, TABLES
from workbench.tabular.scenarios.own import own_tables
from workbench.targets import ARCHITECTURES
from workbench.targets.brought import brought_names
from workbench.targets.store import EVALUATOR


def scenarios() -> list[dict[str, Any]]:
    rows = []
    for entry in SCENARIOS:
        scenario = entry.item()
        problem = scenario.problem()
        rows.append(
            {
                "key": entry.key,
                "title": entry.title,
                "classes": scenario.num_classes,
                "shape": list(scenario.input_shape),
                "private": scenario.private_source,
                "public": scenario.public_source,
                "split_seed": scenario.split_seed,
                "usable": problem is None,
                "problem": problem,
                **({} if problem else {"train": len(scenario.private.train), "heldout": len(scenario.private.heldout)}),
            }
        )
    return rows


def targets() -> list[dict[str, Any]]:
    rows = []
    for scenario in SCENARIOS:
        for entry in (*ARCHITECTURES, *map(ARCHITECTURES.entry, brought_names(scenario.key))):
            if entry.info.role == "evaluator" and entry.key != EVALUATOR:
                continue  # a scenario's evaluator is listed once, whatever it is made of
            problem = target_problem(scenario.key, entry.key)
            card = {} if problem else target_card(scenario.key, entry.key)
            rows.append(
                {
                    "key": entry.key,
                    "scenario": scenario.key,
                    "title": entry.title,
                    "role": entry.info.role,
                    "usable": problem is None,
                    "problem": problem,
                    "heldout_accuracy": card.get("heldout_accuracy"),
                }
            )
    return rows


def priors() -> list[dict[str, Any]]:
    rows = []
    for scenario in SCENARIOS:
        for entry in PRIORS:
            problem = prior_problem(scenario.key, entry.key)
            card = {} if problem else prior_card(scenario.key, entry.key)
            rows.append(
                {
                    "key": entry.key,
                    "scenario": scenario.key,
                    "title": entry.title,
                    "usable": problem is None,
                    "problem": problem,
                    "quality": card.get("quality"),
                    "finished": card.get("finished"),
                    "figures": figures_of(card, scenario.key),
                    "borrowed_from": lender_of(scenario.key, entry.key),
                    "data": card.get("data"),
                }
            )
    return rows


def standing(row: dict[str, Any]) -> str:
    """Return in a few words how good a usable prior is, from its row."""
    remarks = [row["quality"] or "quality unknown"]
    if not row["finished"]:
        remarks.append("training not finished")
    if row["borrowed_from"]:
        remarks.append(f"{row['borrowed_from']}'s, in grey")
    if row["figures"]:
        remarks.append("Fréchet distance {frechet:.1f} (public images {frechet_halves:.1f})".format(**row["figures"]))
    return ", ".join(remarks)


def attacks() -> list[dict[str, Any]]:
    rows = []
    for info in (info for group in attacks_by_access().values() for info in group):
        rows.append(
            {
                "key": info.key,
                "title": info.title,
                "label": info.label,
                "access": info.access.value,
                "prior": info.prior,
                "paper": info.paper,
                "survey_ref": info.survey_ref,
                "summary": info.summary,
                "departs": info.departs,
                "presets": {k: dict(v) for k, v in info.presets.items()},
                "knobs": {
                    k.name: {
                        "default": k.default,
                        "min": k.lo,
                        "max": k.hi,
                        "live": k.live,
                        "help": k.help,
                        "choices": list(k.choices) if k.choices else None,
                    }
                    for k in knobs_of(ATTACKS[info.key]).values()
                },
            }
        )
    return rows


def described(info: Info) -> dict[str, Any]:
    """Return what something registered says of itself, as plain data; not where it stands in menus."""
    return {name: value for name, value in asdict(info).items() if name != "order"}


def defenses() -> list[dict[str, Any]]:
    usable = [
        {
            **described(e.info),
            "usable": True,
            "problem": None,
        }
        for e in DEFENSES
    ]
    return usable + [
        {
            "key": e.key,
            "title": e.title,
            "usable": False,
            "problem": f"not applicable: {e.reason}",
            "stage": "federated training",
            "paper": e.paper,
        }
        for e in NOT_APPLICABLE
    ]


def metrics() -> list[dict[str, Any]]:
    return [described(e.info) for registry in (METRICS, SET_METRICS) for e in registry]


def grouped(kind: str, rows: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield rows with a heading: attacks by what they may ask of the target, most first; all others under none."""
    if kind != "attacks":
        yield "", rows
        return
    for access in Access:
        if inside := [row for row in rows if row["access"] == access]:
            yield access.label, inside


def tables() -> list[dict[str, Any]]:
    rows = []
    for key in [*TABLES.keys(), *(f"{OWN}{name}" for name in own_tables())]:
        try:
            place = scenario_now(key)
            problem = place.problem()
        except WorkbenchError as error:
            rows.append({"key": key, "title": key, "usable": False, "problem": str(error)})
            continue
        title = TABLES.entry(key).title if key in TABLES else key.removeprefix(OWN)
        row = {"key": key, "title": title, "usable": problem is None, "problem": problem}
        if problem is None:
            records = place.records
            row |= {
                "response": place.response.name,
                "sensitive": list(place.sensitive),
                "source": records.source,
                "synthetic": records.synthetic,
                "private": len(records.private),
                "public": len(records.public),
            }
        rows.append(row)
    return rows


def inferences() -> list[dict[str, Any]]:
    return [
        {
            **described(entry.info),
            "knobs": {k.name: {"default": k.default, "help": k.help} for k in knobs_of(entry.item).values()},
        }
        for entry in INFERENCES
    ]


def models() -> list[dict[str, Any]]:
    return [described(entry.info) for entry in MODELS]


KINDS = {
    "scenarios": scenarios,
    "targets": targets,
    "priors": priors,
    "attacks": attacks,
    "defenses": defenses,
    "metrics": metrics,
    "tables": tables,
    "inferences": inferences,
    "table-targets": models,
}


@command("list", "List scenarios, targets, priors, attacks, defenses or metrics", order=1)
class List:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("kind", choices=KINDS)
        parser.add_argument("--json", action="store_true", help="print one JSON array")

    @staticmethod
    def run(options: argparse.Namespace) -> None:
        rows = KINDS[options.kind]()
        if options.json:
            print(json.dumps(rows))
            return
        for heading, inside in grouped(options.kind, rows):
            if heading:
                print(f"{heading}:")
            for row in inside:
                name = f"{row['scenario']}/{row['key']}" if "scenario" in row else row["key"]
                remark = row.get("problem") or (standing(row) if options.kind == "priors" else None)
                print(f"{'  ' if heading else ''}{name:<24} {row['title']}" + (f"  [{remark}]" if remark else ""))
