"""How much detail a picture has, and how little lets a judge be silent."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from workbench.recognisers.detail import BlurStep, blur_steps, detail, least_detail
from workbench.recognisers.nothing import blurred
from workbench.scenarios import SCENARIOS, Labelled


def waves(count: float, side: int = 64) -> Tensor:
    """Return one picture (1, 1, side, side) of so many waves across."""
    x = torch.arange(side) / side
    return (0.5 + 0.4 * (2 * torch.pi * count * x).sin()).expand(1, 1, side, side)


def test_waves_count_as_detail_from_an_eighth_of_the_side_on():
    assert detail(waves(3)).item() < 0.01
    assert detail(waves(16)).item() > 0.99


def test_an_even_picture_has_none_and_brightness_and_contrast_do_not_matter():
    assert detail(torch.full((2, 3, 32, 32), 0.4)).tolist() == [0.0, 0.0]
    noise = torch.rand(4, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(detail(noise), detail(0.2 + 0.3 * noise), atol=1e-4)


@pytest.mark.parametrize("scenario", ["faces", "digits"])
def test_the_more_real_photographs_are_blurred_the_less_there_is(scenario):
    images = SCENARIOS[scenario]().private.heldout.images[:40]
    side = images.shape[-1]
    found = [detail(images).median().item()] + [detail(blurred(images, side // k)).median().item() for k in (2, 4, 8)]
    assert all(a > 1.2 * b for a, b in pairwise(found))


@dataclass(frozen=True)
class Squinting:
    """Knows class 0 by the sharpness of its picture; with little of it, it names nobody."""

    threshold: float = 0.5

    def scores(self, images: Tensor) -> Tensor:
        return torch.stack([(detail(images) > 0.5).float(), torch.zeros(len(images))], 1)


def test_a_judge_is_measured_at_every_sharpness():
    rng = torch.Generator().manual_seed(0)
    sharp = torch.rand(6, 1, 64, 64, generator=rng)
    steps = blur_steps(Squinting(), Labelled(sharp, torch.zeros(6, dtype=torch.long)))
    assert steps[0].side == 64 and steps[-1].side == 8
    assert steps[0].recognised == 1 and steps[-1].recognised == 0 and steps[0].false_matches == 0
    assert 0.2 < least_detail(steps) < steps[0].detail


def test_the_least_detail_lies_where_half_are_recognised():
    steps = [BlurStep(64, 0.30, 0.9, 0), BlurStep(32, 0.20, 0.6, 0), BlurStep(16, 0.10, 0.3, 0)]
    assert least_detail(steps) == pytest.approx(0.15)
    assert least_detail(steps[:2]) == 0.0, "no blur costs it half"
