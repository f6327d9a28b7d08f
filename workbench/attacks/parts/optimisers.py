"""Gradient-free optimisers that ask and tell, for N candidates at once, each on a path of its own.

Coordinates are in standard deviations of the prior (`Box.to_units`); larger worth is better.

Hansen, "The CMA evolution strategy", https://arxiv.org/abs/1604.00772, through the package `cmaes`; Ros and
Hansen, PPSN 2008 (its separable form); Wierstra et al., JMLR 2014 (NES); Storn and Price, J. Global Optim. 1997
(differential evolution); Kennedy and Eberhart, ICNN 1995 (particle swarm); Kirkpatrick et al., Science 1983.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from workbench.attacks.parts.candidate_rng import Streams


class Optimiser(Protocol):
    """Proposes P points for each of some candidates and is told what they are worth.

    Attributes:
        shown: how many of the points, from the first, are for showing; the others only feel the way. None for all.
        pace: share of its first step that it still takes, 0 to 1; those that find their own step length need not heed it.
    """

    shown: int | None = None
    pace: float = 1.0

    def ask(self, rows: Tensor) -> Tensor:
        """Return points (n, P, D) to try for candidates `rows` (n,)."""

    def tell(self, rows: Tensor, points: Tensor, worth: Tensor) -> None:
        """Learn that points (n, P, D) of candidates `rows` are worth (n, P)."""


class CovarianceAdaptation(Optimiser):
    """One CMA-ES a candidate; with a diagonal covariance where `separable`, which learns sooner."""

    def __init__(self, starts: Tensor, sigma: float, streams: Streams, *, separable: bool = True) -> None:
        from cmaes import CMA, SepCMA  # brings SciPy's statistics, which take seconds; nobody else should wait

        population = starts.shape[1]
        seeds = (streams.uniform(1)[:, 0] * 2**24).long().tolist()
        self.device = starts.device
        self.searches: list[CMA | SepCMA] = [
            (SepCMA if separable else CMA)(mean, sigma, seed=seed, population_size=population)
            for mean, seed in zip(starts[:, 0].double().cpu().numpy(), seeds, strict=True)
        ]
        self._asked: dict[int, np.ndarray] = {}

    def ask(self, rows: Tensor) -> Tensor:
        for i in rows.tolist():
            search = self.searches[i]
            self._asked[i] = np.stack([search.ask() for _ in range(search.population_size)])
        points = np.stack([self._asked[i] for i in rows.tolist()])
        return torch.from_numpy(points).float().to(self.device)

    def tell(self, rows: Tensor, points: Tensor, worth: Tensor) -> None:
        # It is told the points as it drew them, not as the box may have moved them.
        for i, values in zip(rows.tolist(), worth.double().cpu().numpy(), strict=True):
            self.searches[i].tell(list(zip(self._asked[i], -values, strict=True)))


class NaturalEvolution(Optimiser):
    """NES: the mean of a normal of fixed width follows the gradient that mirrored pairs estimate.

    A pair's two answers differ by the slope along it. The mean goes one length along the slopes' remembered direction.
    It is the first point asked about, and the only one to show: the luckiest of a crowd owes its worth to noise, which in
    a hundred coordinates is most of its picture.

    Args:
        rate: a step's length at full pace, in spreads of the crowd.
        memory: share of the direction before that a step keeps.
    """

    shown = 1

    def __init__(
        self, starts: Tensor, sigma: float, streams: Streams, *, rate: float = 0.2, memory: float = 0.8
    ) -> None:
        self.mean, self.sigma, self.streams, self.memory = starts[:, 0].clone(), sigma, streams, memory
        self.pairs = max(1, (starts.shape[1] - 1) // 2)
        self.heading = torch.zeros_like(self.mean)
        self.length = rate * sigma * self.mean.shape[1] ** 0.5

    def ask(self, rows: Tensor) -> Tensor:
        noise = self.sigma * self.streams.normal(self.pairs, self.mean.shape[1], rows=rows)
        return self.mean[rows, None] + torch.cat([torch.zeros_like(noise[:, :1]), noise, -noise], 1)

    def tell(self, rows: Tensor, points: Tensor, worth: Tensor) -> None:
        there, back = points[:, 1:].split(self.pairs, 1)
        rise, fall = worth[:, 1:].split(self.pairs, 1)
        slope = ((rise - fall)[..., None] * (there - back)).mean(1)
        self.heading[rows] = self.memory * self.heading[rows] + (1 - self.memory) * F.normalize(slope)
        self.mean[rows] = points[:, 0] + self.pace * self.length * F.normalize(self.heading[rows])


class DifferentialEvolution(Optimiser):
    """DE/current-to-best/1 with binomial crossover and greedy replacement."""

    def __init__(
        self, starts: Tensor, sigma: float, streams: Streams, *, weight: float = 0.5, cross: float = 0.7
    ) -> None:
        self.points, self.streams, self.weight, self.cross = starts.clone(), streams, weight, cross
        self.worth = torch.full(starts.shape[:2], -torch.inf, device=starts.device)

    def ask(self, rows: Tensor) -> Tensor:
        points, worth = self.points[rows], self.worth[rows]
        if torch.isinf(worth).all():
            return points  # they have to be asked about once before anything can replace them
        n, p, d = points.shape
        a, b = (
            torch.gather(points, 1, self.streams.uniform(p, rows=rows).argsort(1)[..., None].expand(-1, -1, d))
            for _ in range(2)
        )
        best = points[torch.arange(n, device=points.device), worth.argmax(1)][:, None]
        mutant = points + self.weight * (best - points) + self.weight * (a - b)
        return torch.where(self.streams.uniform(p, d, rows=rows) < self.cross, mutant, points)

    def tell(self, rows: Tensor, points: Tensor, worth: Tensor) -> None:
        better = worth > self.worth[rows]
        self.points[rows] = torch.where(better[..., None], points, self.points[rows])
        self.worth[rows] = torch.where(better, worth, self.worth[rows])


class ParticleSwarm(Optimiser):
    """Particle swarm with Clerc's constriction coefficients."""

    def __init__(self, starts: Tensor, sigma: float, streams: Streams) -> None:
        self.points, self.streams = starts.clone(), streams
        self.velocity, self.own = sigma * streams.normal(*starts.shape[1:]), starts.clone()
        self.worth = torch.full(starts.shape[:2], -torch.inf, device=starts.device)

    def ask(self, rows: Tensor) -> Tensor:
        return self.points[rows]

    def tell(self, rows: Tensor, points: Tensor, worth: Tensor) -> None:
        better = worth > self.worth[rows]
        own = torch.where(better[..., None], points, self.own[rows])
        known = torch.where(better, worth, self.worth[rows])
        best = own[torch.arange(len(rows), device=own.device), known.argmax(1)][:, None]
        to_own, to_best = (1.49618 * self.streams.uniform(*points.shape[1:], rows=rows) for _ in range(2))
        velocity = 0.7298 * self.velocity[rows] + to_own * (own - points) + to_best * (best - points)
        self.own[rows], self.worth[rows], self.velocity[rows] = own, known, velocity
        self.points[rows] = points + velocity


class RandomSearch(Optimiser):
    """Fresh samples of a standard normal, forgetting everything."""

    def __init__(self, starts: Tensor, sigma: float, streams: Streams) -> None:
        self.shape, self.streams = starts.shape[1:], streams

    def ask(self, rows: Tensor) -> Tensor:
        return self.streams.normal(*self.shape, rows=rows)

    def tell(self, rows: Tensor, points: Tensor, worth: Tensor) -> None:
        return None


class Annealing(Optimiser):
    """P independent chains of simulated annealing with a temperature falling by the same share each step."""

    def __init__(self, starts: Tensor, sigma: float, streams: Streams, *, cooling: float = 0.97) -> None:
        self.points, self.sigma, self.streams, self.cooling = starts.clone(), sigma, streams, cooling
        self.worth = torch.full(starts.shape[:2], -torch.inf, device=starts.device)
        self.temperature = torch.ones(len(starts), device=starts.device)

    def ask(self, rows: Tensor) -> Tensor:
        points = self.points[rows]
        known = torch.isfinite(self.worth[rows])[..., None]
        return torch.where(known, points + self.sigma * self.streams.normal(*points.shape[1:], rows=rows), points)

    def tell(self, rows: Tensor, points: Tensor, worth: Tensor) -> None:
        chance = ((worth - self.worth[rows]) / self.temperature[rows, None]).exp()
        taken = self.streams.uniform(worth.shape[1], rows=rows) < chance
        self.points[rows] = torch.where(taken[..., None], points, self.points[rows])
        self.worth[rows] = torch.where(taken, worth, self.worth[rows])
        self.temperature[rows] *= self.cooling


class TiledPerturbation(Optimiser):
    """The best so far plus noise that is the same over tiles of coordinates; improvements are kept."""

    def __init__(self, starts: Tensor, sigma: float, streams: Streams, *, tiles: int = 16) -> None:
        self.best, self.population, self.sigma, self.streams = starts[:, 0].clone(), starts.shape[1], sigma, streams
        self.worth = torch.full((len(starts),), -torch.inf, device=starts.device)
        self.tiles = min(tiles, starts.shape[2])

    def ask(self, rows: Tensor) -> Tensor:
        d = self.best.shape[1]
        tile = (self.streams.uniform(self.population, d, rows=rows) * self.tiles).long()
        noise = torch.gather(self.streams.normal(self.population, self.tiles, rows=rows), 2, tile)
        return self.best[rows, None] + self.sigma * noise

    def tell(self, rows: Tensor, points: Tensor, worth: Tensor) -> None:
        value, index = worth.max(1)
        better = value > self.worth[rows]
        found = points[torch.arange(len(rows), device=points.device), index]
        self.best[rows] = torch.where(better[:, None], found, self.best[rows])
        self.worth[rows] = torch.where(better, value, self.worth[rows])


def full_covariance(starts: Tensor, sigma: float, streams: Streams) -> CovarianceAdaptation:
    """Return CMA-ES with a full covariance, from points (N, P, D)."""
    return CovarianceAdaptation(starts, sigma, streams, separable=False)


OPTIMISERS: dict[str, Callable[[Tensor, float, Streams], Optimiser]] = {
    "cma-es": full_covariance,
    "sep-cma-es": CovarianceAdaptation,
    "nes": NaturalEvolution,
    "de": DifferentialEvolution,
    "pso": ParticleSwarm,
    "random": RandomSearch,
    "annealing": Annealing,
    "perturbation": TiledPerturbation,
}
