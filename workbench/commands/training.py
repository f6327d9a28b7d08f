"""``train``: rebuild any shipped weight, or train one for new data."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench.commands import rebuilding
from workbench.commands.base import assignments, command
from workbench.core.errors import UsageError
from workbench.core.weights import read_card, write_atomically
from workbench.defenses import train_target
from workbench.defenses.plan import Plan, under
from workbench.defenses.store import release_name, target_card
from workbench.defenses.store import weights_name as target_weights_name
from workbench.engine.model_cache import pick_device
from workbench.priors import PRIORS
from workbench.priors.base import prior_card, weights_name
from workbench.recognisers.open_set import open_set_name
from workbench.recognisers.open_set_training import train_open_set
from workbench.runs.contact_sheet import SheetLayout, compose
from workbench.scenarios import SCENARIOS
from workbench.targets import ARCHITECTURES
from workbench.targets.pretraining import public_name, train_public
from workbench.targets.recipes import ClassifierRecipe, recipe_for
from workbench.targets.resuming import checkpoint_of
from workbench.targets.store import EVALUATOR
from workbench.targets.training import EpochProgress
from workbench.trainings.staging import promote, staged_name
from workbench.trainings.start import QUALITIES, alone, checkpoint_path, train_prior


def bar(done: int, total: int, text: str) -> None:
    filled = int(30 * done / total)
    print(f"\r[{'█' * filled}{'·' * (30 - filled)}] {done}/{total}  {text}   ", end="", file=sys.stderr, flush=True)


def classifier(options: argparse.Namespace, arch: str) -> None:
    scenario = SCENARIOS[options.scenario]()
    plan = Plan.of(options.defense)
    if plan.parts and arch == EVALUATOR:
        raise UsageError("The evaluator judges attacks and is never defended; leave --defense out.")
    if plan.output is not None and plan.output.defense.learns and options.epochs is not None:
        raise UsageError(
            f"'{plan.output.key}' is put around a trained target and has knobs instead of --epochs; write them "
            f"as {plan.output.key}(knob=value)."
        )
    usual = recipe = recipe_for(scenario, arch, options.seed)
    if options.as_card:
        recipe = carded(
            usual,
            target_card(options.scenario, arch, options.defense),
            scenario.evaluator if arch == EVALUATOR else arch,
        )
    exact = recipe is not usual
    if options.epochs is not None:
        recipe = replace(recipe, epochs=options.epochs)
    training = train_target(
        scenario,
        arch,
        defense=str(plan),
        seed=options.seed,
        device=str(pick_device(options.device)),
        recipe=recipe,
        public=options.data,
        source=source_of(options),
        exact=exact,
        resume=options.resume,
    )
    with alone(checkpoint_of(target_weights_name(options.scenario, arch, str(plan)))), closing(training):
        follow(training)


def follow(training: Iterator[EpochProgress]) -> None:
    """Show the epochs of a classifier's training as a bar."""
    for p in training:
        accuracy = "" if p.accuracy != p.accuracy else f"  accuracy {p.accuracy:.3f}"
        bar(p.epoch, p.total, f"{p.phase}  loss {p.loss:.4f}{accuracy}")
    print(file=sys.stderr)


def carded(recipe: ClassifierRecipe, card: Mapping[str, Any], arch: str) -> ClassifierRecipe:
    """Return a card's recipe; fields it lacks did not exist then. `recipe` if it is of another version or architecture."""
    recorded, known = card.get("recipe"), {field.name for field in fields(ClassifierRecipe)}
    return ClassifierRecipe(**recorded) if recorded and set(recorded) <= known and card.get("arch") == arch else recipe


def source_of(options: argparse.Namespace) -> str | None:
    return options.source or (f"images of {options.data.name}" if options.data else None)


def prior(options: argparse.Namespace) -> None:
    PRIORS.entry(options.prior)
    card = (
        prior_card(options.scenario, options.prior, options.target, under(options.defense)) if options.as_card else {}
    )
    live = checkpoint_path(options.scenario, options.prior, options.target, options.defense).with_suffix(".png")
    name = weights_name(options.scenario, options.prior, options.target, under(options.defense))
    for p in train_prior(
        options.scenario,
        options.prior,
        data=options.data,
        source=source_of(options),
        quality=options.quality or "quick",
        seed=options.seed,
        device=pick_device(options.device),
        target=options.target,
        defense=options.defense,
        resume=options.resume,
        recipe=assignments(options.set),
        name=staged_name(name),
        like=card.get("recipe"),
    ):
        bar(p.step, p.total, "  ".join(f"{k} {v:.3g}" for k, v in p.losses.items()))
        if p.samples is not None:
            promote(name)
            write_atomically(live, picture(p.samples))
    print(f"\nThe last samples: {live}", file=sys.stderr)


def judge(options: argparse.Namespace) -> None:
    """Train the judge who knows public classes too, and say how it does."""
    scenario = SCENARIOS[options.scenario]()
    device, source = str(pick_device(options.device)), source_of(options)
    follow(
        train_open_set(
            scenario, data=options.data, source=source, seed=options.seed, device=device, epochs=options.epochs
        )
    )
    card = read_card(open_set_name(scenario.key))
    found = card["heldout"]
    print(
        f"{card['what']}: recognised {found['recognised']:.4f} of {found['n']} held-out images at its threshold "
        f"{card['threshold']:.3f}, taken for another class {found['taken_for_another']:.4f}, {card['seconds']:.0f} s"
    )


def picture(samples: Tensor) -> bytes:
    """Return samples (n, C, H, W) as one PNG."""
    count, channels, height, width = samples.shape
    png = io.BytesIO()
    compose(samples, SheetLayout.of(count, (channels, height, width))).save(png, "png")
    return png.getvalue()


@command("train", "Train a target, an evaluator, a prior or everything shipped", order=3)
class Train:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "what",
            choices=("target", "evaluator", "judge", "prior", "public", "shipped"),
            help="judge: a classifier of private and public classes that can say none of these; "
            "public: a classifier of public classes, which targets may be built on; "
            "shipped: everything in models/, from its cards",
        )
        parser.add_argument("--scenario", help="may be left out for shipped only")
        parser.add_argument(
            "--arch", help="architecture (default: the target that the scenario attacks; of a public one, resnet)"
        )
        parser.add_argument("--prior", default="gan")
        parser.add_argument(
            "--target", help="what a tuned prior is tuned to; the scenario's default target if left out"
        )
        parser.add_argument(
            "--defense", default="none", help="the target's defense, such as bido, purifier or 'bido(strength=2)'"
        )
        parser.add_argument(
            "--quality",
            choices=QUALITIES,
            help="quick (the default): two cores; full: a GPU; shipped: also lift what is there as quick",
        )
        parser.add_argument(
            "--set", action="append", default=[], metavar="NAME=VALUE", help="change the prior's recipe"
        )
        parser.add_argument(
            "--data",
            type=Path,
            metavar="DIR",
            help="public images for a prior; for a judge, or a target under tl-dmi, a folder of them for each public "
            "class; for the judge of digits also the file mnist.npz",
        )
        parser.add_argument("--source", help="what --data holds, for the card")
        parser.add_argument("--as-card", action="store_true", help="follow the recipe of the card that is there")
        parser.add_argument(
            "--resume", action="store_true", help="go on from the last checkpoint; a judge: from the one that is there"
        )
        parser.add_argument("--epochs", type=int, help="instead of the recipe's (classifiers)")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--device", default="auto")
        parser.add_argument("--threads", type=int)
        rebuilding.arguments(parser.add_argument_group("shipped"))

    @staticmethod
    def run(options: argparse.Namespace) -> int | None:
        if options.what == "shipped":
            return rebuilding.run(options)
        if options.scenario is None:
            raise UsageError("Say which scenario with --scenario; 'python -m workbench list scenarios' shows them.")
        SCENARIOS.entry(options.scenario)
        if options.threads:
            torch.set_num_threads(options.threads)
        if options.epochs is not None and options.epochs < 1:
            raise UsageError("--epochs must be at least 1.")
        if options.what == "prior":
            prior(options)
            return None
        if options.target is not None:
            raise UsageError(
                f"--target is for a tuned prior. Which architecture is trained, --arch {options.target} says."
            )
        if options.what == "judge":
            judge(options)
            return None
        usual = SCENARIOS[options.scenario].default_target if options.what == "target" else "resnet"
        arch = EVALUATOR if options.what == "evaluator" else options.arch or usual
        ARCHITECTURES.entry(arch)
        if options.what == "public":
            follow(
                train_public(
                    SCENARIOS[options.scenario](),
                    arch,
                    folder=options.data,
                    source=source_of(options),
                    seed=options.seed,
                    device=str(pick_device(options.device)),
                )
            )
            card = read_card(public_name(options.scenario, arch))
            print(f"{card['what']}: training accuracy {card['train_accuracy']:.4f}, {card['seconds']:.0f} s")
            return None
        classifier(options, arch)
        around = release_name(options.scenario, arch, options.defense)
        card = read_card(around) if around else target_card(options.scenario, arch, options.defense)
        defended = "" if options.defense == "none" else f" under {options.defense}"
        spent = f", ε {card['defense']['epsilon']:g}" if "epsilon" in card.get("defense", {}) else ""
        print(
            f"{options.scenario}/{arch}{defended}: held-out accuracy {card['heldout_accuracy']:.4f}, "
            f"training {card['train_accuracy']:.4f}, {card['seconds']:.0f} s{spent}"
        )
        if warning := card.get("defense", {}).get("warning"):
            print(f"Warning: {warning}", file=sys.stderr)
        return None
