"""``import`` and ``export``: a diffusion prior from and to a pipeline folder of diffusers; a target from a file of weights."""

from __future__ import annotations

import argparse
from pathlib import Path

from workbench.commands import importing as targets
from workbench.commands.base import command
from workbench.core.errors import UsageError
from workbench.core.weights import has_weights
from workbench.engine.model_cache import pick_device
from workbench.priors.base import load_prior, prior_card, weights_name
from workbench.priors.diffusion import Diffusion
from workbench.priors.pipelines import find_pipeline, import_pipeline, write_pipeline
from workbench.scenarios import SCENARIOS
from workbench.scenarios.own.archive import export_scenario, import_scenario
from workbench.scenarios.own.store import own_dir


def common(parser: argparse.ArgumentParser, *what: str) -> None:
    parser.add_argument("what", choices=what)
    parser.add_argument("--scenario", help="whose it is; an archive of a scenario says so itself")
    parser.add_argument("--prior", choices=("diffusion",), default="diffusion")


def named(options: argparse.Namespace) -> str:
    """Return the scenario that --scenario names; raises `UsageError` where it is left out."""
    if options.scenario is None:
        raise UsageError("Say whose it is with --scenario; 'python -m workbench list scenarios' shows them.")
    return str(options.scenario)


@command("import", "Bring a target's weights, or a diffusion prior", order=6)
class Import:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        common(parser, "prior", "target", "scenario")
        parser.add_argument(
            "--from",
            dest="origin",
            required=True,
            metavar="FILE_OR_FOLDER",
            help="a scenario: a .zip of export scenario; a target: a file of weights, safetensors or a checkpoint of torch; a prior: a folder of diffusers, or "
            "owner/name on the Hugging Face hub",
        )
        targets.arguments(parser.add_argument_group("targets"))
        parser.add_argument("--online", action="store_true", help="fetch it from the hub if it is not on this machine")
        parser.add_argument("--source", help="what it was trained on, for the card")
        parser.add_argument("--steps", type=int, default=15, help="DDIM steps from noise to image")
        parser.add_argument("--replace", action="store_true", help="put it in the place of the one that is there")
        parser.add_argument("--device", default="auto")

    @staticmethod
    def run(options: argparse.Namespace) -> int | None:
        if options.what == "scenario":
            index = import_scenario(Path(options.origin).expanduser())
            print(f"{index['scenario']}: {len(index['files'])} files, pictures {index['pictures']}")
            if index["own"] and index["pictures"] != "included":
                print(
                    f"Its pictures (sha256 {index['pictures_sha256'][:12]}…) belong into {own_dir() / index['scenario']}."
                )
            return None
        scenario = SCENARIOS[named(options)]()
        if options.what == "target":
            return targets.run(options, scenario)
        if not 1 <= options.steps <= 1000:
            raise UsageError("--steps must be from 1 to 1000.")
        if has_weights(weights_name(scenario.key, options.prior)) and not options.replace:
            raise UsageError(f"{scenario.key} has a diffusion prior. Add --replace to put this one in its place.")
        folder = find_pipeline(options.origin, online=options.online)
        source = (
            options.source
            or f"the pipeline {options.origin}; what it was trained on, and whom it knows, is not known here"
        )
        import_pipeline(
            scenario.key, scenario.input_shape, folder, source, steps=options.steps, device=pick_device(options.device)
        )
        print(
            f"{scenario.key}/{options.prior}: {prior_card(scenario.key, options.prior)['bytes'] / 2**20:.1f} MB from {folder}"
        )
        return None


@command("export", "Write a diffusion prior as a pipeline folder of diffusers", order=7)
class Export:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        common(parser, "prior", "scenario")
        parser.add_argument("--pictures", action="store_true", help="a scenario: its pictures go along")
        parser.add_argument(
            "--to",
            dest="goal",
            type=Path,
            required=True,
            metavar="PATH",
            help="a folder, for a scenario a .zip; must not be there yet",
        )

    @staticmethod
    def run(options: argparse.Namespace) -> None:
        SCENARIOS.entry(named(options))
        if options.what == "scenario":
            index = export_scenario(options.scenario, options.goal, pictures=options.pictures)
            print(f"{options.goal}: {len(index['files'])} files, pictures {index['pictures']}")
            return
        if not has_weights(weights_name(options.scenario, options.prior)):
            raise UsageError(f"{options.scenario} has no diffusion prior of its own.")
        model = load_prior(options.scenario, options.prior)
        if not isinstance(model, Diffusion):
            raise UsageError(f"{options.scenario}/{options.prior} is no diffusion model.")
        write_pipeline(model, options.scenario, options.goal)
        print(f"{options.scenario}/{options.prior}: written to {options.goal}")
