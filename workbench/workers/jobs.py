"""What waits in the queue and runs in the worker: the contract of a job, and its two kinds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

from workbench.core.records import RunConfig, RunState, TrainingConfig
from workbench.engine.context import control_for
from workbench.engine.execute import execute
from workbench.engine.model_cache import ModelCache
from workbench.runs.control import RunControl
from workbench.runs.ledger import Ledger
from workbench.runs.run_folder import RunFolder
from workbench.runs.store import RunStore
from workbench.runs.training_folder import TrainingFolder
from workbench.trainings.execute import carry_out
from workbench.trainings.start import trained_name

INTERRUPTED = "interrupted: the application was closed; what was recorded is kept and can be judged"


class Job(ABC):
    """Something that is carried out from its beginning to its end, and can be told to stop on the way."""

    folder: RunFolder | TrainingFolder
    trains: str | None = None  # the name of the weights that it makes

    @property
    def id(self) -> str:
        return self.folder.id

    @cached_property
    @abstractmethod
    def control(self) -> RunControl:
        """What commands reach it by; there before it starts, so that none is lost."""

    @abstractmethod
    def execute(self, cache: ModelCache, ledger: Ledger, fps: float) -> RunState:
        """Carry it out; returns how it ended, which is then on record.

        Args:
            fps: most frames a second that are recorded.
        """


@dataclass(eq=False)
class AttackJob(Job):
    """A run of an attack."""

    folder: RunFolder
    config: RunConfig

    @cached_property
    def control(self) -> RunControl:
        return control_for(self.config)

    def execute(self, cache: ModelCache, ledger: Ledger, fps: float) -> RunState:
        runs = self.folder.path.parent
        return execute(self.config, self.folder, cache, control=self.control, ledger=ledger, runs=runs, fps=fps)


@dataclass(eq=False)
class TrainingJob(Job):
    """A training of a prior or a target."""

    folder: TrainingFolder
    config: TrainingConfig

    def __post_init__(self) -> None:
        self.trains = trained_name(self.config)

    @cached_property
    def expected(self) -> float | None:
        """How many seconds it was judged to take when it was queued; None if nothing told."""
        return self.folder.manifest().get("expected")

    @cached_property
    def control(self) -> RunControl:
        return RunControl()

    def execute(self, cache: ModelCache, ledger: Ledger, fps: float) -> RunState:
        return carry_out(self.config, self.folder, cache, control=self.control, ledger=ledger)


def open_job(store: RunStore, run: str) -> AttackJob | TrainingJob:
    """Return a run or a training of the store, ready to be carried out.

    Raises:
        DamagedRun: its record is gone or cannot be read.
        WorkbenchError: it is not here, or names an attack or a prior that is not.
    """
    folder = store.job(run)
    if isinstance(folder, TrainingFolder):
        return TrainingJob(folder, folder.config())
    attack = AttackJob(folder, folder.config())
    _ = attack.control  # made now, so that an attack which nobody knows is told before it starts
    return attack
