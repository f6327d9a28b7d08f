"""The map of the target's confidence: known answers, refinement, a limit of time, a recorded run."""

from __future__ import annotations

import itertools

import pytest
import torch
from conftest import LinearPrior, QuadrantVictim

from workbench.analysis.landscape import Extent, extent_of, landscape, landscape_of, spread_out
from workbench.core.errors import Incompatible, StoreError
from workbench.engine.execute import execute
from workbench.engine.model_cache import ModelCache
from workbench.engine.presets import default_config
from workbench.priors.plane import Plane
from workbench.runs.store import RunStore

WIDE = Extent(-2.0, 2.0, -1.0, 3.0)
CENTRE = torch.tensor([0.1, -0.2, 0.3, 0.0, 0.0, 0.0])


def prior() -> LinearPrior:
    made = LinearPrior().eval()
    made.plane = Plane(CENTRE, torch.eye(6)[:, [2, 0, 1]].contiguous(), torch.randn(50, 3))
    return made


def ask(images: torch.Tensor) -> torch.Tensor:
    return QuadrantVictim()(images).softmax(1)


def answer(latent: torch.Tensor, label: int = 0) -> float:
    with torch.no_grad():
        return ask(LinearPrior().decode(latent[None]))[0, label].item()


def test_a_cell_is_the_targets_confidence_in_the_moved_latent():
    """The plane's axes here are latent coordinates 2 and 0; what is not on them stays the candidate's own."""
    latent = torch.tensor([0.5, 0.9, -0.4, 0.2, 0.1, -0.3])
    *_, last = landscape(prior(), ask, latent, 0, WIDE, cells=9)
    assert last.asked == last.total == 81
    for row, column in itertools.product(range(9), range(9)):
        moved = latent.clone()
        moved[2] = CENTRE[2] + torch.linspace(WIDE.left, WIDE.right, 9)[column]
        moved[0] = CENTRE[0] + torch.linspace(WIDE.low, WIDE.high, 9)[row]
        assert last.confidence[row, column].item() == pytest.approx(answer(moved), abs=1e-5)


def test_where_the_candidate_stands_the_map_is_its_own_confidence():
    latent = torch.tensor([0.7, 0.9, -0.4, 0.2, 0.1, -0.3])
    x, y = prior().plane.project(latent[None])[0, :2].tolist()
    *_, last = landscape(prior(), ask, latent, 1, Extent(x - 1, x + 1, y - 1, y + 1), cells=5)
    assert last.confidence[2, 2].item() == pytest.approx(answer(latent, 1), abs=1e-5)


def test_every_layers_part_of_a_wide_latent_moves():
    latent, plane = torch.randn(12, generator=torch.Generator().manual_seed(0)), prior().plane
    moved = spread_out(latent, plane, WIDE, 3)
    assert moved.shape == (3, 3, 12)
    spots = plane.project(moved.flatten(0, 1)).view(3, 3, 3)
    assert torch.allclose(spots[0, :, 0], torch.tensor([-2.0, 0.0, 2.0]), atol=1e-5)
    assert torch.allclose(spots[:, 0, 1], torch.tensor([-1.0, 1.0, 3.0]), atol=1e-5)
    parts = (moved - latent).unflatten(2, (2, 6))
    assert torch.allclose(parts[:, :, 0], parts[:, :, 1], atol=1e-6)


def test_coarse_first_and_every_known_cell_stays():
    maps = list(landscape(prior(), ask, torch.zeros(6), 0, WIDE, cells=33))
    assert maps[0].asked == 25 and maps[-1].asked == 33 * 33 == maps[-1].total
    assert all(not m.confidence.isnan().any() for m in maps)
    assert all(a.asked < b.asked for a, b in itertools.pairwise(maps))
    end = maps[-1].confidence
    assert torch.equal(maps[0].confidence[::8, ::8], end[::8, ::8])
    assert torch.equal(maps[0].confidence[3], maps[0].confidence[0]), "a block shows its lower left cell"
    errors = [(m.confidence - end).abs().mean().item() for m in maps]
    assert errors == sorted(errors, reverse=True) and errors[0] > 0.01


def test_no_chunk_begins_after_the_time_is_up():
    ticks = itertools.count()  # a second a look
    maps = list(landscape(prior(), ask, torch.zeros(6), 0, WIDE, cells=33, seconds=4, clock=lambda: next(ticks)))
    assert 25 < maps[-1].asked < 33 * 33
    *_, coarsest = landscape(prior(), ask, torch.zeros(6), 0, WIDE, cells=97, seconds=0, clock=lambda: 0.0)
    assert coarsest.asked == 13 * 13 and not coarsest.confidence.isnan().any()


def test_closing_it_ends_the_questions():
    asked = []

    def counting(images: torch.Tensor) -> torch.Tensor:
        asked.append(len(images))
        return ask(images)

    maps = landscape(prior(), counting, torch.zeros(6), 0, WIDE, cells=33)
    next(maps)
    maps.close()
    assert asked == [25]


def test_the_extent_holds_the_path_and_is_never_a_point():
    cloud = torch.tensor([[-5.0, -5.0, 0.0], [5.0, 5.0, 0.0]])
    path = torch.tensor([[0.0, 0.0, 9.0], [4.0, 1.0, 9.0]])
    found = extent_of(path, cloud)
    assert found.left < 0 and found.right > 4 and found.low < 0 and found.high > 1
    still = extent_of(path[:1], cloud)
    assert still.right - still.left == pytest.approx(2.0) and still.left + still.right == pytest.approx(0.0)


@pytest.fixture(scope="module")
def cache() -> ModelCache:
    return ModelCache("cpu")


def run_of(tmp_path, cache: ModelCache, attack: str, **knobs):
    config = default_config("digits", attack, classes=[1, 3], device="cpu", knobs=knobs)
    folder = RunStore(tmp_path / "runs").create(config, shape=(1, 32, 32))
    return folder, lambda: execute(config, folder, cache)


def test_a_recorded_run_is_mapped_where_its_candidate_ended(tmp_path, cache):
    folder, go = run_of(tmp_path, cache, "gmi", steps=4)
    with pytest.raises(StoreError, match="no frame yet"):
        next(landscape_of(folder, 0, cache))
    go()
    *_, last = landscape_of(folder, 1, cache, cells=9)
    assert last.asked == 81 and 0 <= last.confidence.min() <= last.confidence.max() <= 1
    x, y = [float(v) for v in folder.path_csv().splitlines()[-1].split(",")[4:6]]
    assert last.extent.left < x < last.extent.right and last.extent.low < y < last.extent.high
    with pytest.raises(Incompatible, match="no candidate 2"):
        next(landscape_of(folder, 2, cache))


def test_pixels_have_no_latents_to_map(tmp_path, cache):
    folder, go = run_of(tmp_path, cache, "mi-face", steps=1)
    go()
    with pytest.raises(Incompatible, match="searched pixels"):
        next(landscape_of(folder, 0, cache))
