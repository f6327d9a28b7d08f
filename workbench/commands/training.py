"""``train``: rebuild any shipped weight, or train one for new data."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

from workbench.commands.base import command
from workbench.core.errors import UsageError
from workbench.core.paths import models_dir
from workbench.priors import PRIORS
from workbench.priors.gan_training import RECIPES, Recipe, train_gan
from workbench.runs.lab import pick_device
from workbench.scenarios import SCENARIOS
from workbench.targets import ARCHITECTURES
from workbench.targets.store import EVALUATOR, target_card
from workbench.targets.training import recipe_for, train_classifier


def bar(done: int, total: int, text: str) -> None:
    filled = int(30 * done / total)
    print(f"\r[{'█' * filled}{'·' * (30 - filled)}] {done}/{total}  {text}   ", end="", file=sys.stderr, flush=True)


def classifier(options: argparse.Namespace, arch: str) -> None:
    place = SCENARIOS[options.scenario]()
    recipe = recipe_for(place, arch, options.seed)
    if options.epochs is not None:
        recipe = replace(recipe, epochs=options.epochs)
    for p in train_classifier(place, arch, seed=options.seed, device=str(pick_device(options.device)), recipe=recipe):
        shown = "" if p.accuracy != p.accuracy else f"  accuracy {p.accuracy:.3f}"
        bar(p.epoch, p.total, f"{p.phase}  loss {p.loss:.4f}{shown}")
    print(file=sys.stderr)


def prior(options: argparse.Namespace) -> None:
    place = SCENARIOS[options.scenario]()
    PRIORS.entry(options.prior)
    if options.prior != "gan":
        raise UsageError(f"The '{options.prior}' prior has no training recipe.")
    public = place.public(options.data)
    recipe = RECIPES.get(options.scenario, Recipe())
    checkpoint = models_dir() / ".checkpoints" / f"{options.scenario}-{options.prior}.pt"
    if not options.resume:
        checkpoint.unlink(missing_ok=True)
    source = options.source or (place.public_source if options.data is None else f"images of {options.data.name}")
    for p in train_gan(options.scenario, public, replace(recipe, seed=options.seed), flips=place.flips, source=source,
                       device=str(pick_device(options.device)), checkpoint=checkpoint):
        bar(p.step, p.total, "  ".join(f"{k} {v:.3g}" for k, v in p.losses.items()))
    print(file=sys.stderr)


@command("train", "Train a target, an evaluator or a prior", order=3)
class Train:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("what", choices=("target", "evaluator", "prior"))
        parser.add_argument("--scenario", required=True)
        parser.add_argument("--arch", default="resnet", help="target architecture")
        parser.add_argument("--prior", default="gan")
        parser.add_argument("--data", type=Path, metavar="DIR", help="public images for a prior")
        parser.add_argument("--source", help="what --data holds, for the card")
        parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
        parser.add_argument("--epochs", type=int, help="instead of the recipe's (classifiers)")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--device", default="auto")
        parser.add_argument("--threads", type=int)

    @staticmethod
    def run(options: argparse.Namespace) -> None:
        SCENARIOS.entry(options.scenario)
        if options.threads:
            torch.set_num_threads(options.threads)
        if options.epochs is not None and options.epochs < 1:
            raise UsageError("--epochs must be at least 1.")
        if options.what == "prior":
            prior(options)
            return
        arch = EVALUATOR if options.what == "evaluator" else options.arch
        ARCHITECTURES.entry(arch)
        classifier(options, arch)
        card = target_card(options.scenario, arch)
        print(f"{options.scenario}/{arch}: held-out accuracy {card['heldout_accuracy']:.4f}, "
              f"training {card['train_accuracy']:.4f}, {card['seconds']:.0f} s")
