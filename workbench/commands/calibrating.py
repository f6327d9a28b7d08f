"""``calibrate``: those who judge, measured on a scenario's photographs: galleries, and the ceiling beside every run."""

from __future__ import annotations

import argparse

import torch

from workbench.commands.base import command
from workbench.core.errors import DataMissing
from workbench.engine.ceilings import keep, shelf, stamp_of
from workbench.engine.model_cache import ModelCache
from workbench.metrics.judge import ceiling
from workbench.recognisers import Panel
from workbench.recognisers.gallery import FaceGallery, keep_gallery
from workbench.scenarios import SCENARIOS


@command("calibrate", "Measure those who judge a scenario on its photographs", order=9)
class Calibrate:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--scenario", required=True)

    @staticmethod
    def run(options: argparse.Namespace) -> None:
        scenario = SCENARIOS[options.scenario]()
        galleries = [m for m in Panel.of(scenario, torch.device("cpu")) if isinstance(m, FaceGallery)]
        for gallery in galleries:
            measured = keep_gallery(gallery, scenario)
            print(
                f"{gallery.title}: threshold {gallery.threshold:.3f}, recognised {measured.recognised:.3f} of {measured.n} "
                f"held-out photographs, other people {measured.false_matches:.4f}"
            )
        context = ModelCache("cpu").evaluation(options.scenario)
        if context is None:
            raise DataMissing(scenario.problem() or f"{options.scenario} has no evaluator.")
        found = ceiling(context)
        keep(found, stamp_of(context), shelf() / f"{options.scenario}.json")
        print(f"Ceiling: the evaluator is right for {found.overall['acc@1']:.3f} of {found.n} held-out images")
