"""One run from its configuration to its judgement; the same for the worker, the command line and tests."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import save
from torch import Tensor, nn

from workbench.attacks import ATTACKS, AttackContext, AttackInfo
from workbench.core.errors import BudgetSpent, Incompatible, WorkbenchError
from workbench.core.knobs import configure, knobs_of
from workbench.core.records import Access, Frame, RunConfig, RunState
from workbench.core.weights import write_atomically
from workbench.metrics.judge import Judgement, judge
from workbench.priors import Prior
from workbench.priors.base import weights_name
from workbench.runs.control import RunControl
from workbench.runs.folder import RunFolder
from workbench.runs.lab import Lab, describe
from workbench.runs.recorder import Recorder, note_event
from workbench.runs.sheet import Grid, compose, webp
from workbench.runs.vigil import StoppedWaiting, Vigil
from workbench.scenarios import Scenario
from workbench.targets.foreign import ForeignTarget
from workbench.targets.sources import answers, is_foreign, open_target, source_of
from workbench.targets.store import target_card
from workbench.targets.view import view_of

log = logging.getLogger(__name__)


class Ledger(Protocol):
    """Where a run's state is filed; the store, or nothing but the run's own folder."""

    def update(self, run: str, state: RunState | None = None, **fields: Any) -> None: ...


class FolderLedger:
    """Files a run in its folder alone, for runs that live outside a store."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    def update(self, run: str, state: RunState | None = None, **fields: Any) -> None:
        self.folder.update(**fields, **({"state": state.value} if state else {}))


def candidate_classes(config: RunConfig) -> Tensor:
    """Return (N,) the class of each candidate: every class `restarts` times in a row."""
    return torch.tensor(config.classes).repeat_interleave(config.restarts)


def control_for(config: RunConfig) -> RunControl:
    return RunControl(knobs_of(ATTACKS[config.attack]), config.knobs)


class _Pace:
    """Joins what may change with what the recorder wants, as the attack's `Control`."""

    def __init__(self, control: RunControl, recorder: Recorder) -> None:
        self.control, self.recorder = control, recorder

    def value(self, name: str, default: Any) -> Any:
        return self.control.value(name, default)

    def due(self, step: int) -> bool:
        return self.control.wanted or self.recorder.wants()


def starting_point(config: RunConfig, lab: Lab, runs: Path) -> Tensor | None:
    """Return what a fork begins from: latents, or images for an attack on pixels.

    Raises:
        Incompatible: the frame's candidates are not this run's.
        StoreError: the run or the frame is gone.
    """
    if config.fork is None:
        return None
    source = RunFolder(runs / config.fork.run)
    held, origin = source.tensors(config.fork.frame), source.config()
    count = len(config.classes) * config.restarts
    if len(held.get("latents", held.get("images"))) != count or origin.scenario != config.scenario:
        raise Incompatible([f"Frame {config.fork.frame} of {config.fork.run} has other candidates than this run. "
                            "Keep its scenario, classes and restarts."])
    if config.prior is None:
        start = held["images"] if "images" in held else _prior(origin, lab).decode(
            held["latents"].to(lab.device), candidate_classes(origin).to(lab.device))
    elif "latents" not in held or origin.prior != config.prior or _prior_name(origin) != _prior_name(config):
        raise Incompatible([f"{config.fork.run} did not search the '{config.prior}' prior's latents, so this attack "
                            "cannot go on from it."])
    else:
        start = held["latents"]
    return start.to(lab.device)


def _prior(config: RunConfig, lab: Lab) -> Prior:
    return lab.prior(config.scenario, config.prior, config.target, config.defense)


def _prior_name(config: RunConfig) -> str:
    """Return which weights a run's prior has; a tuned one is another for each target."""
    return weights_name(config.scenario, config.prior, config.target, config.defense)


def build_context(config: RunConfig, lab: Lab, control: Any, start: Tensor | None = None,
                  vigil: Vigil | None = None) -> AttackContext:
    """Return what the attack is given: the target behind its threat model, the prior, the classes.

    Args:
        vigil: waits for a target elsewhere that goes away; without one, the attack gets the `TargetAway`.
    """
    scenario, info = lab.scenario(config.scenario), AttackInfo.of(ATTACKS.entry(config.attack))
    if is_foreign(config.target):
        model, best = _elsewhere(config, scenario, info.access, vigil)
    else:
        model, best = lab.target(config.scenario, config.target, config.defense, released=not info.access.inside), {}
    view = view_of(model, info.access, asks=config.asks, budget=config.budget, num_classes=scenario.num_classes,
                   input_shape=scenario.input_shape, **best)
    public, public_note = lab.public(config.scenario) if info.public else (None, "")
    return AttackContext(
        target=view, prior=_prior(config, lab) if config.prior else None,
        classes=candidate_classes(config).to(lab.device), rng=torch.Generator().manual_seed(config.seed),
        device=lab.device, control=control, restarts=config.restarts, start=start, public=public,
        public_note=public_note, flips=scenario.flips)


def _elsewhere(config: RunConfig, scenario: Scenario, access: Access, vigil: Vigil | None) -> tuple[nn.Module, dict[str, int]]:
    """Return a target elsewhere, opened anew for each run, and how many scores it releases where it says so."""
    def opening() -> ForeignTarget:
        return open_target(config.target, scenario.input_shape)

    target = vigil.opened(opening, lambda: answers(config.target)) if vigil else opening()
    if wrong := target.offer.problem(config.target, scenario.input_shape, scenario.num_classes, access):
        raise Incompatible([wrong])
    best = {"k": target.offer.k} if target.offer.access is Access.TOP_K else {}
    return (vigil.over(target) if vigil else target), best


def frames_of(config: RunConfig, context: AttackContext) -> Iterator[Frame]:
    """Return the frames of the configured attack."""
    return configure(ATTACKS[config.attack], config.knobs).run(context)


def execute(config: RunConfig, folder: RunFolder, lab: Lab, *, control: RunControl | None = None,
            ledger: Ledger | None = None, fps: float = 10.0, on_frame: Any = None) -> RunState:
    """Run one configuration to its end and judge it; returns how it ended.

    Whatever happens, the frames recorded so far are kept and the run's state says what happened.

    Args:
        control: pauses, stops and changes knobs from another thread.
        on_frame: called with every frame and the seconds so far, for progress on a terminal.
    """
    control, ledger = control or control_for(config), ledger or FolderLedger(folder)
    recorder: Recorder | None = None
    last: Frame | None = None
    clock = _Stopwatch()
    state, reason = RunState.FINISHED, ""
    try:
        torch.use_deterministic_algorithms(True, warn_only=True)
        where = {"source": source_of(config.target).address} if is_foreign(config.target) else {}
        ledger.update(folder.id, RunState.RUNNING, started=time.time(), device=describe(lab.device), **where)
        scenario = lab.scenario(config.scenario)
        grid = Grid.of(len(config.classes) * config.restarts, scenario.input_shape)
        start = starting_point(config, lab, folder.path.parent)
        plane, space = _plane(config, lab)
        recorder = Recorder(folder, grid, plane, fps=fps)
        vigil = Vigil(control, lambda kind, text: note_event(folder, last.step if last else 0, kind, text=text),
                      lambda state, why: ledger.update(folder.id, state, reason=why), clock.held)
        context = build_context(config, lab, _Pace(control, recorder), start, vigil)
        _set_scene(config, folder, lab, grid, plane, space)
        clock.start()
        with closing(frames_of(config, context)) as frames:
            for frame in frames:
                first, last = last is None, frame
                if first:
                    folder.write_json("scene.json", {**folder.scene(), "total": frame.total})
                recorder.offer(frame, clock.seconds, must=first or control.paused)
                if on_frame is not None:
                    on_frame(frame, clock.seconds)
                _file_news(folder, control, frame.step)
                if control.paused and not control.stopped:
                    ledger.update(folder.id, RunState.PAUSED)
                    with clock.held():
                        control.wait()
                    _file_news(folder, control, frame.step)
                    ledger.update(folder.id, RunState.RUNNING)
                if control.stopped:
                    state, reason = RunState.STOPPED, f"stopped at step {frame.step}"
                    break
    except StoppedWaiting:
        state, reason = RunState.STOPPED, f"stopped at step {last.step if last else 0}, while the target was away"
    except BudgetSpent as error:
        reason = f"ended early: {error}"
    except WorkbenchError as error:
        state, reason = RunState.FAILED, str(error)
    except Exception as error:
        state, reason = RunState.FAILED, f"{type(error).__name__}: {error}"
        (folder.path / "error.txt").write_text(traceback.format_exc())
        log.exception("run %s failed", folder.id)
    seconds = clock.seconds
    figures: dict[str, Any] = {}
    try:
        if recorder is not None:
            if last is not None:
                recorder.offer(last, seconds, must=True)
            recorder.close()
        if last is not None:
            figures = _conclude(config, folder, lab, last, seconds, grid)
    except Exception as error:  # a run that ran must not be lost because judging it failed
        log.exception("run %s could not be judged", folder.id)
        state, reason = RunState.FAILED, reason or f"judging failed: {type(error).__name__}: {error}"
    ledger.update(folder.id, state, reason=reason, ended=time.time(), **figures)
    return state


def _file_news(folder: RunFolder, control: RunControl, step: int) -> None:
    for event in control.take_news():
        note_event(folder, step, event.pop("kind"), **event)


def _plane(config: RunConfig, lab: Lab) -> tuple[Any, str]:
    """Return the plane that the run is drawn on, on the CPU, and the name of its space."""
    prior = _prior(config, lab) if config.prior else lab.baseline_prior(config.scenario)
    if prior is None:
        return None, ""
    return (prior.plane, prior.space) if config.prior else (prior.image_plane, "pixels")


def _set_scene(config: RunConfig, folder: RunFolder, lab: Lab, grid: Grid, plane: Any, space: str) -> None:
    names = lab.scenario(config.scenario).class_names
    candidates = [{"class": c, "restart": r, "label": names[c]} for c in config.classes for r in range(config.restarts)]
    cloud = [] if plane is None else [[round(v, 3) for v in point] for point in plane.cloud.tolist()]
    folder.write_json("scene.json", {"total": 0, "candidates": candidates, "sheet": grid.to_json(), "space": space,
                                     "cloud": cloud})
    truth = lab.truth(config.scenario, [c["class"] for c in candidates])
    if truth is not None:
        write_atomically(folder.path / "truth.webp", webp(truth, grid))


def _conclude(config: RunConfig, folder: RunFolder, lab: Lab, last: Frame, seconds: float, grid: Grid) -> dict[str, Any]:
    """Write the result, judge it beside floor and ceiling; return the figures for the run's record."""
    labels, images = candidate_classes(config), last.images.cpu()
    result = {"images": images.contiguous(), "labels": labels}
    if last.latents is not None:
        result["latents"] = last.latents.cpu().contiguous()
    write_atomically(folder.path / "result.safetensors", save(result))
    compose(images, grid).save(folder.path / "images.png")
    figures: dict[str, Any] = {
        "steps": last.step, "seconds": round(seconds, 3), "queries": last.queries,
        "steps_per_second": round(last.step / seconds, 2) if seconds > 0 else None,
        "target_accuracy": None if is_foreign(config.target) else target_card(
            config.scenario, config.target, config.defense).get("heldout_accuracy")}
    context = lab.evaluation(config.scenario)
    if context is not None:
        found = judge(images, labels, context)
        floor = _floor(config, lab, labels, context)
        folder.write_json("judgement.json", {
            "reconstruction": found.to_json(), "baseline": floor.to_json() if floor else None,
            "ceiling": lab.ceiling(config.scenario).to_json()})
        nearest = lab.scenario(config.scenario).private.train.images[found.nearest]
        write_atomically(folder.path / "nearest.webp", webp(nearest, grid))
        figures |= {"metrics": found.overall, "baseline": floor.overall if floor else {},
                    "accuracy": found.overall.get("acc@1")}
    return figures


def _floor(config: RunConfig, lab: Lab, labels: Tensor, context: Any) -> Judgement | None:
    """Return the judgement of random prior samples, one for each candidate, drawn with the run's seed."""
    prior = lab.baseline_prior(config.scenario)
    if prior is None:
        return None
    rng = torch.Generator().manual_seed(config.seed)
    with torch.no_grad():
        return judge(prior.random_images(len(labels), rng).cpu(), labels, context)


class _Stopwatch:
    """Run time without the pauses."""

    def __init__(self) -> None:
        self._begun: float | None = None
        self._spent = 0.0

    def start(self) -> None:
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        return self._spent + (time.monotonic() - self._begun if self._begun is not None else 0.0)

    @contextmanager
    def held(self) -> Iterator[None]:
        self._spent, self._begun = self.seconds, None
        yield
        self.start()
