"""The target's confidence in one class over the plane on which a candidate's path is drawn.

A cell of the map is the candidate's latent moved within the plane: every other coordinate stays the candidate's
own, so the map is exact where the candidate stands and a guess far from it. It is the student's view, not the
attacker's: the questions are asked after the fact and count as nobody's queries.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.core.errors import Incompatible, StoreError
from workbench.engine.model_cache import ModelCache
from workbench.engine.resolve import resolve
from workbench.priors import Prior
from workbench.priors.plane import Plane
from workbench.runs.run_folder import RunFolder
from workbench.targets.remote.sources import is_foreign

CELLS = 33  # along each side
COARSEST = 8  # stride, in cells, of the first picture
CHUNK = 64  # images decoded and asked about at once
MARGIN = 0.15  # of the path's extent, on either side
LEAST = 0.2  # extent, as a share of the prior's cloud, of a path that hardly moved

PIXELS = "This attack searched pixels and has no latents to map. Choose a run with a prior."

Ask = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Extent:
    """What part of the plane is mapped, in the plane's coordinates."""

    left: float
    right: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Landscape:
    """A map as far as it is known; finer ones follow.

    Attributes:
        extent: the centres of the outermost cells.
        confidence: (G, G) in [0, 1], rows from low to high, columns from left to right. A cell that was not asked
            about yet has the value of the nearest one to its lower left that was.
        asked, total: cells asked about, of how many.
    """

    extent: Extent
    confidence: Tensor
    asked: int
    total: int


def extent_of(path: Tensor, cloud: Tensor) -> Extent:
    """Return the extent around a path (T, 2 or more) in the plane, no narrower than a share of the cloud (M, 2 or more)."""
    low, high = path[:, :2].amin(0), path[:, :2].amax(0)
    least = LEAST * (cloud[:, :2].amax(0) - cloud[:, :2].amin(0))
    middle, half = (low + high) / 2, torch.maximum((high - low) * (1 + 2 * MARGIN), least).clamp_min(1e-6) / 2
    (left, bottom), (right, top) = (middle - half).tolist(), (middle + half).tolist()
    return Extent(left, right, bottom, top)


def spread_out(latent: Tensor, plane: Plane, extent: Extent, cells: int) -> Tensor:
    """Return the latents of a map's cells, (G, G, k·D): `latent` (k·D,) moved within the plane; a w+ in every layer."""
    here = plane.project(latent[None])[0, :2]
    across = torch.linspace(extent.left, extent.right, cells).to(latent) - here[0]
    up = torch.linspace(extent.low, extent.high, cells).to(latent) - here[1]
    moves = across[None, :, None] * plane.basis[:, 0] + up[:, None, None] * plane.basis[:, 1]  # (G, G, D)
    return latent + moves.repeat(1, 1, len(latent) // len(plane.centre))


@torch.no_grad()
def landscape(
    prior: Prior,
    ask: Ask,
    latent: Tensor,
    label: int,
    extent: Extent,
    *,
    cells: int = CELLS,
    seconds: float = 20.0,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Landscape]:
    """Yield the map of one candidate after every chunk, coarse first; closing the generator ends the work.

    Args:
        ask: images (n, C, H, W) to confidences (n, K).
        latent: (k·D,) of the candidate.
        label: the class that is mapped, and drawn where the prior is conditional.
        seconds: no chunk is begun later than this; the coarsest picture is finished nevertheless.
        clock: seconds, monotonic.
    """
    plane = plane_of(prior)
    latents = spread_out(
        latent, Plane(*(t.to(latent) for t in (plane.centre, plane.basis, plane.cloud))), extent, cells
    )
    known = torch.full((cells, cells), torch.nan)
    index, until = torch.arange(cells), clock() + seconds
    filled, stride, asked = known, COARSEST, 0
    while stride >= 1:
        coarse = index % stride == 0
        rows, columns = (coarse[:, None] & coarse & known.isnan()).nonzero().T
        for part in range(0, len(rows), CHUNK):
            if stride < COARSEST and clock() >= until:
                return
            r, c = rows[part : part + CHUNK], columns[part : part + CHUNK]
            labels = torch.full((len(r),), label, device=latent.device)
            known[r, c] = ask(prior.decode(latents[r, c], labels))[:, label].float().cpu()
            asked += len(r)
            # Where this stride has not come yet, the picture before it stands.
            finer = known[index - index % stride][:, index - index % stride]
            filled = torch.where(finer.isnan(), filled, finer)
            if stride < COARSEST or asked == int(coarse.sum()) ** 2:
                yield Landscape(extent, filled.clone(), asked, cells * cells)
        stride //= 2


def landscape_of(
    run: RunFolder,
    candidate: int,
    cache: ModelCache,
    *,
    frame: int | None = None,
    cells: int = CELLS,
    seconds: float = 20.0,
) -> Iterator[Landscape]:
    """Yield the map around a run's candidate where it stands at `frame`, the newest one if None.

    The target is the one that the attack asks: behind a defense of the output unless the attack is white-box.

    Raises:
        Incompatible: the run searched pixels, or there is no such candidate.
        StoreError: nothing is recorded yet, or the frame is gone.
    """
    config, frame = run.config(), run.latest() if frame is None else frame
    if config.prior is None:
        raise Incompatible([PIXELS])
    if is_foreign(config.target):
        raise Incompatible(
            ["A map would ask the target elsewhere hundreds of times that no run counts, so none is drawn."]
        )
    if not 0 <= candidate < (count := len(config.classes) * config.restarts):
        raise Incompatible([f"There is no candidate {candidate}; the run has {count}, from 0 to {count - 1}."])
    if frame is None:
        raise StoreError(f"Run {run.id} has no frame yet. Wait for its first one.")
    attacked = resolve(config, cache)
    if (prior := attacked.prior) is None:
        raise Incompatible([PIXELS])
    target = cache.target(config.scenario, config.target, config.defense, released=not attacked.info.access.inside)
    path = _path(run, candidate)
    latent = run.tensors(frame)["latents"][candidate].to(cache.device)
    plane = plane_of(prior)
    here = plane.project(latent[None].to(plane.centre)).cpu()
    yield from landscape(
        prior,
        lambda images: target(images).softmax(1),
        latent,
        int(attacked.labels[candidate]),
        extent_of(torch.cat([path, here]), plane.cloud.cpu()),
        cells=cells,
        seconds=seconds,
    )


def plane_of(prior: Prior) -> Plane:
    """Return the plane on which a prior's latents are drawn; raises `Incompatible` where it has none."""
    if prior.plane is None:
        raise Incompatible(["This prior was saved without a plane, so its latents cannot be mapped. Train it again."])
    return prior.plane


def _path(run: RunFolder, candidate: int) -> Tensor:
    """Return a candidate's recorded points in the plane, (T, 3)."""
    lines = [
        [float(v) for v in line.split(",")[1 + 3 * candidate : 4 + 3 * candidate]]
        for line in run.path_csv().splitlines()
    ]
    return torch.tensor(lines).reshape(-1, 3)
