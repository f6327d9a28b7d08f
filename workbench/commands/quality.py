"""``quality``: compare a prior's samples with public images, and write the figures onto its card."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from workbench.analysis.prior_quality import judge_prior
from workbench.commands.base import command
from workbench.core.errors import DataMissing
from workbench.defenses.plan import under
from workbench.engine.model_cache import pick_device
from workbench.priors.base import prior_problem
from workbench.scenarios import SCENARIOS

SHOWN = ("frechet", "precision", "recall", "density", "coverage", "spread")


@command("quality", "Measure priors against public images", order=4)
class Quality:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--scenario", required=True)
        parser.add_argument("--prior", nargs="+", required=True, help="one or several; the images are read once")
        parser.add_argument(
            "--target", help="what a tuned prior is tuned to; the scenario's default target if left out"
        )
        parser.add_argument("--defense", default="none", help="the target's defense, for a tuned prior")
        parser.add_argument("--data", type=Path, metavar="DIR", help="public images (default: what this machine has)")
        parser.add_argument("--n", type=int, help="images of each set (default: 2000 or what there is)")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--device", default="auto")
        parser.add_argument("--threads", type=int)
        parser.add_argument("--json", action="store_true", help="print one JSON object for each prior")

    @staticmethod
    def run(options: argparse.Namespace) -> None:
        if options.threads:
            torch.set_num_threads(options.threads)
        scenario, device = SCENARIOS[options.scenario](), pick_device(options.device)
        for key in options.prior:
            if problem := prior_problem(scenario.key, key, options.target, under(options.defense)):
                raise DataMissing(problem)
        public = scenario.public(options.data) if options.data else scenario.public_here()
        for key in options.prior:
            figures = judge_prior(
                scenario.key,
                key,
                public,
                n=options.n,
                seed=options.seed,
                device=device,
                target=options.target,
                defense=options.defense,
            ).to_json()
            if options.json:
                print(json.dumps({"scenario": scenario.key, "prior": key, **figures}))
                continue
            print(
                f"{scenario.key}/{key}: {figures['n']} samples against as many of {figures['public_images']} public images"
                f"{'; too few for an unbiased Fréchet distance' if figures['biased'] else ''}"
            )
            for name in SHOWN:
                print(f"{name:<10} {figures[name]:>9.3f}   public images {figures[f'{name}_halves']:>9.3f}")
