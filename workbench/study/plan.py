"""What one rater is asked, and in what order: drawn by the study's seed and the rater's number alone.

Raters take turns through the pictures, so that each is judged about equally often. A picture's side changes each time it
is asked about. Two raters who follow each other get opposite orders. Some trials come once more, with sides swapped.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import cached_property

from workbench.study.design import Design, Kind
from workbench.study.stimuli import Stimulus


@dataclass(frozen=True)
class Trial:
    """One trial of one rater.

    Attributes:
        index: its place, from 0.
        swapped: whether sides are swapped: the second picture is left, or the picture stands right of the photographs.
        order: how the photographs beside it are placed, as places in the stimulus.
        repeat_of: the trial that this one asks again; None for one that is new.
    """

    index: int
    stimulus: int
    swapped: bool
    order: tuple[int, ...]
    repeat_of: int | None = None


@dataclass(frozen=True)
class Planner:
    """Plans the trials of every rater of a study."""

    design: Design
    stimuli: tuple[Stimulus, ...]

    @cached_property
    def _pools(self) -> list[tuple[list[int], int]]:
        """The stimuli of each sort in the order in which raters take turns through them, and how many a rater gets."""
        of = {kind: [s.id for s in self.stimuli if s.kind is kind] for kind in Kind}
        made = of[Kind.RECONSTRUCTION]
        made = random.Random(f"{self.design.seed} order").sample(made, len(made))
        negative = [s.id for s in self.stimuli if s.kind.negative]
        design = self.design
        return [
            (made, design.trials),
            (of[Kind.HELD_OUT], design.positives),
            (negative, design.negatives),
            (of[Kind.CATCH], design.catches),
        ]

    def trials(self, number: int) -> list[Trial]:
        """Return the trials of rater `number`, which counts from 0, in order."""
        drawn = [pick for pool, count in self._pools for pick in taken(pool, count, number)]
        rng = random.Random(f"{self.design.seed} {number // 2}")
        rng.shuffle(drawn)
        if number % 2:
            drawn.reverse()
        rng = random.Random(f"{self.design.seed} {number} sides")
        trials = [self._trial(stimulus, swapped, rng) for stimulus, swapped in drawn]
        return numbered(trials, self._repeated(trials, rng), rng)

    def _trial(self, stimulus: int, swapped: bool, rng: random.Random) -> Trial:
        places = list(range(len(self.stimuli[stimulus].beside)))
        rng.shuffle(places)
        return Trial(0, stimulus, swapped, tuple(places))

    def _repeated(self, trials: list[Trial], rng: random.Random) -> list[int]:
        """Draw which trials come again, of those that come early enough for it."""
        count = math.floor(self.design.repeats * len(trials))
        early = [
            i
            for i, trial in enumerate(trials[: max(count, (len(trials) + 1) // 2)])
            if self.stimuli[trial.stimulus].kind is not Kind.CATCH
        ]
        return sorted(rng.sample(early, min(count, len(early))))


def taken(pool: list[int], count: int, number: int) -> list[tuple[int, bool]]:
    """Return what rater `number` gets of a pool that raters go round in, and whether its sides are swapped this time."""
    if not pool:
        return []
    count = min(count, len(pool))
    turns = [number * count + i for i in range(count)]
    return [(pool[t % len(pool)], bool((t % len(pool) + t // len(pool)) % 2)) for t in turns]


def numbered(trials: list[Trial], repeated: list[int], rng: random.Random) -> list[Trial]:
    """Return trials with the repeated ones among the second half, sides and places swapped, each with its place."""
    half = (len(trials) + 1) // 2
    late: list[tuple[Trial, int | None]] = [(trial, None) for trial in trials[half:]]
    for first in repeated:
        again = trials[first]
        again = Trial(0, again.stimulus, not again.swapped, again.order[::-1])
        late.insert(rng.randint(min(1, len(late)), len(late)), (again, first))
    everything: list[tuple[Trial, int | None]] = [*((trial, None) for trial in trials[:half]), *late]
    return [Trial(i, trial.stimulus, trial.swapped, trial.order, first) for i, (trial, first) in enumerate(everything)]
