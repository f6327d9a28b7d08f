"""How long what goes will go on, and what waits will take: judged by its own steps and by runs like it before."""

from __future__ import annotations

import time
from dataclasses import dataclass

from workbench.core.errors import WorkbenchError
from workbench.runs.progress import seconds_left
from workbench.runs.store import RunStore
from workbench.runs.training_folder import TrainingFolder
from workbench.workers.jobs import AttackJob, TrainingJob

USUAL_SECONDS = 45.0  # a run's length, as long as none has ended yet
FRESH = 0.5  # seconds that what was read from a folder is good for, however many ask


@dataclass(frozen=True)
class Forecast:
    """When a run would start.

    Attributes:
        seconds: from the estimate on.
        at: when it was estimated, in seconds since 1970; a page counts down from there.
    """

    seconds: float
    at: float


class Forecaster:
    """Estimates lengths; remembers what it read, so that many may ask often."""

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self._paces: dict[tuple[str, str], tuple[float, float] | None] = {}
        self._usual: float | None = None
        self._left: tuple[str, float, float | None] = ("", 0.0, None)

    def forget(self) -> None:
        """Judge anew by what has ended since; to be called when a run ends."""
        self._paces.clear()
        self._usual = None

    def length(self, job: AttackJob | TrainingJob) -> float | None:
        """Return the seconds that a job will take from its start; None for a training like no other before."""
        if isinstance(job, TrainingJob):
            return job.expected
        pace = self._pace(job.config.attack, job.config.scenario)
        if pace is None:
            return self._usual_length()
        seconds_a_step, mean = pace
        steps = job.config.knobs.get("steps")
        return seconds_a_step * steps if isinstance(steps, int) and seconds_a_step else mean

    def left(self, job: AttackJob | TrainingJob, began: float) -> float | None:
        """Return the seconds that a job will go on for.

        Args:
            began: when it started, in seconds since 1970.
        """
        run, read, left = self._left
        if run == job.id and time.time() - read < FRESH:
            return left
        left = self._judged_by_itself(job)
        if left is None and (length := self.length(job)) is not None:
            left = max(0.0, length - (time.time() - began))
        self._left = (job.id, time.time(), left)
        return left

    def _judged_by_itself(self, job: AttackJob | TrainingJob) -> float | None:
        try:
            return _training_left(job.folder) if isinstance(job, TrainingJob) else seconds_left(job.folder)
        except (OSError, ValueError, WorkbenchError):
            return None  # its folder was taken away

    def _pace(self, attack: str, scenario: str) -> tuple[float, float] | None:
        """Return the seconds a step and the mean seconds of an attack's runs before, None where there are none."""
        key = (attack, scenario)
        if key not in self._paces:
            past = [(r.seconds, r.steps or 0) for r in self.store.lengths(attack, scenario) if r.seconds]
            seconds, steps = sum(s for s, _ in past), sum(n for _, n in past)
            self._paces[key] = (seconds / steps if steps else 0.0, seconds / len(past)) if past else None
        return self._paces[key]

    def _usual_length(self) -> float:
        if self._usual is None:
            lengths = [r.seconds for r in self.store.lengths() if r.seconds]
            self._usual = sum(lengths) / len(lengths) if lengths else USUAL_SECONDS
        return self._usual


def _training_left(folder: TrainingFolder) -> float | None:
    left = folder.progress().get("left")
    return None if left is None else float(left)
