"""One training from its configuration to its weights, as the worker carries it out."""

from __future__ import annotations

import logging
import math
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from typing import Any

import torch

from workbench.core.errors import WorkbenchError
from workbench.core.paths import models_dir
from workbench.core.records import RunState, TrainingConfig
from workbench.core.weights import write_atomically
from workbench.defenses import train_target
from workbench.engine.model_cache import ModelCache, describe
from workbench.federated.averaging import train_federated
from workbench.federated.settings import Federation
from workbench.federated.store import folder_of
from workbench.priors.training.loop import TrainingProgress
from workbench.runs.contact_sheet import SheetLayout, webp
from workbench.runs.control import RunControl
from workbench.runs.ledger import Ledger
from workbench.runs.training_folder import TrainingFolder
from workbench.scenarios import SCENARIOS
from workbench.targets.recipes import recipe_for
from workbench.targets.resuming import checkpoint_of
from workbench.targets.training import EVERYTHING
from workbench.trainings.staging import discard, promote, staged_name
from workbench.trainings.start import alone, train_prior, trained_name

log = logging.getLogger(__name__)


def carry_out(
    config: TrainingConfig,
    folder: TrainingFolder,
    cache: ModelCache,
    *,
    control: RunControl,
    ledger: Ledger,
    on_report: Callable[[TrainingProgress], None] | None = None,
) -> RunState:
    """Train what `config` says and file its progress; returns how it ended.

    Whatever happens, weights that were there before stay until better ones are finished, and the checkpoint
    of a training that is cut short is kept.

    Args:
        control: may pause or stop the training from another thread; it obeys at the next report, 20 steps later at most.
        on_report: called with every report, for progress on a terminal.
    """
    state, reason, figures = RunState.FINISHED, "", {}
    name, progress = trained_name(config), ProgressLog(folder)
    try:
        ledger.update(folder.id, RunState.RUNNING, started=time.time(), device=describe(cache.device))
        with closing(reports(config, cache.device)) as coming:
            for report in coming:
                figures = {"steps": report.step, "seconds": round(report.seconds, 1)}
                progress.note(report)
                if on_report is not None:
                    on_report(report)
                if report.samples is not None:
                    promote(name)
                if control.paused and not control.stopped:
                    ledger.update(folder.id, RunState.PAUSED)
                    control.wait()
                    ledger.update(folder.id, RunState.RUNNING)
                if control.stopped and report.step < report.total:
                    state, reason = RunState.STOPPED, f"stopped at step {report.step}; it can be resumed"
                    break
    except WorkbenchError as error:
        state, reason = RunState.FAILED, str(error)
    except Exception as error:
        state, reason = RunState.FAILED, f"{type(error).__name__}: {error}"
        log.exception("training %s failed", folder.id)
        with suppress(OSError):  # a full disk must not hide what went wrong
            (folder.path / "error.txt").write_text(traceback.format_exc())
    finally:
        discard(name)
        cache.clear()
    ledger.update(folder.id, state, reason=reason, ended=time.time(), **figures)
    return state


def reports(config: TrainingConfig, device: torch.device) -> Generator[TrainingProgress, None, None]:
    """Return the progress of the configured training, which runs as it is asked for."""
    if config.what == "prior":
        yield from train_prior(
            config.scenario,
            config.prior_key,
            quality=config.quality,
            seed=config.seed,
            device=device,
            target=config.target,
            defense=config.defense,
            resume=config.resume,
            recipe=config.recipe,
            name=staged_name(trained_name(config)),
        )
    elif config.what == "federated":
        yield from _federated_reports(config, device)
    else:
        yield from _target_reports(config, device)


def _target_reports(config: TrainingConfig, device: torch.device) -> Iterator[TrainingProgress]:
    scenario, start = SCENARIOS[config.scenario](), time.monotonic()
    arch = config.target_key
    recipe = recipe_for(scenario, arch, config.seed)
    with alone(checkpoint_of(trained_name(config))):
        for epoch in train_target(
            scenario,
            arch,
            seed=config.seed,
            device=str(device),
            recipe=recipe,
            defense=config.defense,
            resume=config.resume,
        ):
            losses = {"loss": epoch.loss} | ({} if math.isnan(epoch.accuracy) else {"accuracy": epoch.accuracy})
            before = epoch.total if epoch.phase == EVERYTHING else 0  # epochs of the phase before
            whole = epoch.total * (2 if recipe.everything else 1)
            yield TrainingProgress(before + epoch.epoch, whole, losses, time.monotonic() - start)


def _federated_reports(config: TrainingConfig, device: torch.device) -> Iterator[TrainingProgress]:
    federation = Federation.trained_as(config)
    with alone(models_dir() / ".checkpoints" / f"{config.scenario}-{folder_of(federation).name}.pt"):
        for report in train_federated(federation, device=device, resume=config.resume):
            own = {f"participant {p.number}": p.accuracy for p in report.participants if p.accuracy is not None}
            spent = {} if report.epsilon is None else {"epsilon": report.epsilon}
            yield TrainingProgress(
                report.round, report.total, {"accuracy": report.accuracy, **spent, **own}, report.seconds
            )


class ProgressLog:
    """Writes a training's progress for those who watch."""

    def __init__(self, folder: TrainingFolder) -> None:
        self.folder = folder
        self._first: TrainingProgress | None = None
        self._columns: list[str] = []

    def note(self, report: TrainingProgress) -> None:
        """File one report; the folder's files are whole at any moment."""
        self._first = self._first or report
        steps, spent = report.step - self._first.step, report.seconds - self._first.seconds
        left = (report.total - report.step) * spent / steps if steps else None
        if report.samples is not None:
            height, width = report.samples.shape[2:]
            sheet = SheetLayout(len(report.samples), 8, (width, height))
            write_atomically(
                self.folder.samples_path(report.step),
                webp(report.samples, sheet),
            )
        progress: dict[str, Any] = {
            "step": report.step,
            "total": report.total,
            "seconds": round(report.seconds, 1),
            "left": None if left is None else round(left, 1),
        }
        self._lines(report)
        self.folder.write_json("progress.json", progress)

    def _lines(self, report: TrainingProgress) -> None:
        # A phase may name losses that an earlier one did not have: then the header is written again.
        new = [name for name in report.losses if name not in self._columns]
        if new:
            self._columns += new
            self.folder.append("losses.csv", ",".join(["step", "seconds", *self._columns]))
        values = (report.losses.get(name) for name in self._columns)
        self.folder.append(
            "losses.csv",
            ",".join([str(report.step), f"{report.seconds:.1f}", *("" if v is None else f"{v:.5g}" for v in values)]),
        )
