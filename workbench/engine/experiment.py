"""What a run carries out, whatever it recovers: images of classes or pictures, or attributes of records."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any, Protocol

from workbench.attacks.base import Control
from workbench.core.records import Frame, RunConfig
from workbench.engine.away import RemoteWait
from workbench.engine.conclude import conclude, set_scene
from workbench.engine.context import build_context, frames_of
from workbench.engine.model_cache import ModelCache
from workbench.engine.resolve import Resolved, resolve
from workbench.engine.tables import TableExperiment
from workbench.priors.plane import Plane
from workbench.runs.contact_sheet import SheetLayout
from workbench.runs.run_folder import RunFolder
from workbench.tabular.inquiry import inquiry_of
from workbench.tabular.scenarios import is_table


class Experiment(Protocol):
    """A configuration with everything in place.

    Attributes:
        layout: where each candidate sits on a contact sheet.
        plane: on which the candidates are drawn; None where nothing offers one.
        keeps_all: whether every frame is written, however fast they come; else those that come while one is written go.
        origin: what is on record of where the target answers; nothing for one of ours.
    """

    @property
    def layout(self) -> SheetLayout: ...

    @property
    def plane(self) -> Plane | None: ...

    @property
    def keeps_all(self) -> bool: ...

    @property
    def origin(self) -> dict[str, Any]: ...

    def frames(self, control: Control, wait: RemoteWait) -> Generator[Frame, None, None]:
        """Yield the attack's frames; closing this closes the attack."""
        ...

    def set_scene(self, folder: RunFolder, first: Frame) -> None:
        """Write what stays the same throughout the run."""
        ...

    def conclude(self, folder: RunFolder, last: Frame, seconds: float) -> dict[str, Any]:
        """Write the result and judge it; return the figures for the run's record."""
        ...


class ImageExperiment:
    """A run whose candidates are images."""

    keeps_all = False

    def __init__(self, run: Resolved, cache: ModelCache) -> None:
        self.run, self.cache = run, cache

    @property
    def layout(self) -> SheetLayout:
        return self.run.layout

    @property
    def plane(self) -> Plane | None:
        return self.run.plane

    @property
    def origin(self) -> dict[str, Any]:
        target = self.run.target
        said = {"source": target.address if target.remote else "", "target_warning": target.warning}
        return {name: value for name, value in said.items() if value}

    def frames(self, control: Control, wait: RemoteWait) -> Generator[Frame, None, None]:
        return frames_of(self.run, build_context(self.run, self.cache, control, wait))

    def set_scene(self, folder: RunFolder, first: Frame) -> None:
        set_scene(self.run, folder, self.cache, first)

    def conclude(self, folder: RunFolder, last: Frame, seconds: float) -> dict[str, Any]:
        return conclude(self.run, folder, self.cache, last, seconds)


def experiment_of(config: RunConfig, cache: ModelCache, runs: Path | None, folder: RunFolder) -> Experiment:
    """Return a configuration with everything in place of its names; raises what `resolve` or `inquiry_of` do."""
    if is_table(config.scenario):
        return TableExperiment(inquiry_of(config))
    return ImageExperiment(resolve(config, cache, runs, folder), cache)
