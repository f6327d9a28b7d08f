"""``calibrate``: the face recognisers that judge, measured on a scenario's photographs."""

from __future__ import annotations

import argparse

import torch

from workbench.commands.base import command
from workbench.core.errors import DataMissing
from workbench.recognisers import Panel
from workbench.recognisers.gallery import FaceGallery, keep_gallery
from workbench.scenarios import SCENARIOS


@command("calibrate", "Make and measure the face recognisers' galleries of a scenario", order=9)
class Calibrate:
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--scenario", required=True)

    @staticmethod
    def run(options: argparse.Namespace) -> None:
        scenario = SCENARIOS[options.scenario]()
        galleries = [m for m in Panel.of(scenario, torch.device("cpu")) if isinstance(m, FaceGallery)]
        if not galleries:
            raise DataMissing(
                f"{options.scenario} has no face recogniser: it shows no faces, or {scenario.problem() or 'no weights are here'}"
            )
        for gallery in galleries:
            measured = keep_gallery(gallery, scenario)
            print(
                f"{gallery.title}: threshold {gallery.threshold:.3f}, recognised {measured.recognised:.3f} of {measured.n} "
                f"held-out photographs, other people {measured.false_matches:.4f}"
            )
