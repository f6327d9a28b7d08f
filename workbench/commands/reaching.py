"""``reach``: how many held-out photographs the judges still recognise after a prior has drawn them."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

from workbench.analysis.prior_ceiling import PriorCeiling, measure_ceiling
from workbench.commands.base import command
from workbench.core.errors import DataMissing, UsageError
from workbench.core.weights import write_atomically
from workbench.engine.model_cache import pick_device
from workbench.priors import PRIORS
from workbench.priors.base import prior_problem
from workbench.runs.contact_sheet import SheetLayout, compose
from workbench.scenarios import SCENARIOS


@command("reach", "Measure how close a prior comes to held-out photographs", order=5)
class MeasureReach:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--scenario", required=True)
        parser.add_argument("--prior", nargs="+", required=True)
        parser.add_argument("--people", type=int, help="of how many private people (default: all)")
        parser.add_argument("--steps", type=int, default=100, help="of the search for each photograph (default: 100)")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--sheet", type=Path, metavar="PNG", help="keep what was drawn as a contact sheet")
        parser.add_argument("--device", default="auto")
        parser.add_argument("--json", action="store_true", help="print one JSON object for each prior")

    @staticmethod
    def run(options: argparse.Namespace) -> None:
        if options.steps < 1 or (options.people is not None and options.people < 1):
            raise UsageError("--steps and --people must be at least 1.")
        for key in options.prior:
            if PRIORS[key].tuned:
                raise UsageError(
                    f"The '{key}' prior is tuned to a target; its reach is that of what it was tuned from."
                )
            if problem := prior_problem(options.scenario, key):
                raise DataMissing(problem)
        for key in options.prior:
            found = measure_ceiling(
                options.scenario,
                key,
                people=options.people,
                steps=options.steps,
                seed=options.seed,
                device=str(pick_device(options.device)),
            )
            if options.sheet:
                keep_sheet(found, options.scenario, options.sheet)
            if options.json:
                print(json.dumps({"scenario": options.scenario, "prior": key, **found.to_json()}))
                continue
            for judge, fit in found.fits.items():
                print(
                    f"{options.scenario}/{key}: {judge} identifies {fit.identified:.3f} and recognises {fit.recognised:.3f} "
                    f"of {len(found.images)} photographs drawn by the prior; {found.photographs[judge].recognised:.3f} as they are"
                )


def keep_sheet(found: PriorCeiling, scenario: str, path: Path) -> None:
    """Write the fits as one PNG, ten a row."""
    layout = SheetLayout(len(found.images), 10, SCENARIOS[scenario].input_shape[1:])
    held = io.BytesIO()
    compose(found.images, layout).save(held, "PNG")
    write_atomically(path, held.getvalue())
