"""What is to be done for a request: the jobs, their order and their reasons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from workbench.analysis.prior_quality import figures_of
from workbench.core.weights import has_weights
from workbench.defenses.store import weights_name as target_name
from workbench.priors import PRIORS
from workbench.priors.base import weights_name as prior_name
from workbench.priors.training.loop import checkpoint_facts
from workbench.rebuild.weight_files import FIGURES, RELEASES, TUNED, WeightFile, card_of, weight_files
from workbench.scenarios import SCENARIOS, Scenario
from workbench.targets.store import EVALUATOR
from workbench.trainings.start import checkpoint_path


@dataclass(frozen=True)
class RebuildRequest:
    """What is to be rebuilt: everything, unless `missing` or `quality` is given.

    Attributes:
        missing: only what is not there, or was cut short.
        quality: as `missing`, at this quality; "full" also takes what is there as "quick".
        root: folder with a ``<scenario>`` folder of public images for each, preferred to those that this machine has.
        threads: of each process; None for its own choice.
    """

    scenario: str | None = None
    missing: bool = False
    quality: str | None = None
    root: Path | None = None
    device: str = "auto"
    threads: int | None = None

    @property
    def everything(self) -> bool:
        return not self.missing and self.quality is None


@dataclass(frozen=True)
class RebuildJob:
    """One process that makes or measures one weight.

    Attributes:
        name: what it makes, such as ``"lfw/prior-gan"``; unique.
        arguments: after ``python -m workbench``.
        reason: why it is in the plan.
        card: the card that it writes; two jobs that write one card never run at once.
        needs: names of jobs that come first, where they are in the plan.
        problem: why it cannot run here, or None.
    """

    name: str
    stage: int
    arguments: tuple[str, ...]
    reason: str
    card: str
    needs: tuple[str, ...] = ()
    problem: str | None = None


class ScenarioData:
    """A scenario with the public images that there are for it here.

    Args:
        root: see `RebuildRequest`.
    """

    def __init__(self, scenario: Scenario, root: Path | None) -> None:
        self.scenario, self.root = scenario, root

    @cached_property
    def folder(self) -> Path | None:
        """The folder of public images, or None where the scenario brings its own or there are none."""
        named = [self.root / key for key in (self.scenario.key, self.scenario.borrows) if self.root and key]
        return next((folder for folder in named if folder.is_dir()), None) or self.scenario.public_folder()

    @property
    def data_arguments(self) -> list[str]:
        return ["--data", str(self.folder)] if self.folder else []

    @cached_property
    def _brought(self) -> int:
        """How many public images the scenario brings along."""
        return len(self.scenario.public_here())

    def problem(self, weights: WeightFile, card: Mapping[str, Any]) -> str | None:
        """Return why the images that `weights` learns from are not here, or None."""
        if weights.what == "prior":
            return self.public_problem(card)
        if weights.what != "public":
            return self.scenario.problem()
        if self.classes is None and (problem := self.scenario.classes_problem()):
            return f"{problem} With --data-root DIR it is looked for as DIR/{self.scenario.key}-classes."
        return None

    @property
    def judged(self) -> Path | None:
        """What a judge learns from under the root, a folder of classes or MNIST's file; None where it is not there."""
        names = [self.root / f"{self.scenario.key}-judge{end}" for end in (".npz", "")] if self.root else []
        return next((path for path in names if path.exists()), self.classes)

    @cached_property
    def classes(self) -> Path | None:
        """The folder of public images with classes under the root, or None."""
        folder = self.root / f"{self.scenario.key}-classes" if self.root else None
        return folder if folder is not None and folder.is_dir() else None

    def public_problem(self, card: Mapping[str, Any] | None = None) -> str | None:
        """Return why there are no public images here, or fewer than the weights of `card` have seen; or None."""
        if self.folder is not None:
            return None
        where = f"With --data-root DIR they are looked for in DIR/{self.scenario.key}."
        if problem := self.scenario.public_problem():
            return f"{problem} {where}"
        seen = (card or {}).get("public_images", 0)
        if self._brought < seen:
            return (
                f"It was trained on {seen} public images, and without a folder of them there are {self._brought}: "
                f"{self.scenario.public_source}. {where}"
            )
        return None


def plan(request: RebuildRequest, done: Iterable[str] = ()) -> list[RebuildJob]:
    """Return what is to be done, in the order of doing it.

    Args:
        done: names that an earlier call for the same request has finished.
    """
    if request.scenario is not None:
        SCENARIOS.entry(request.scenario)
    finished = set(done)
    jobs: list[RebuildJob] = []
    data_of = {
        entry.key: ScenarioData(entry.item(), request.root)
        for entry in SCENARIOS
        if request.scenario in (None, entry.key) and not entry.item.own
    }
    for weights in weight_files(request.scenario):
        if weights.name in finished:
            continue
        reason = _reason(weights, request)
        if reason is None and weights.stage in (TUNED, RELEASES) and any(j.name == _victim(weights) for j in jobs):
            reason = "its target is trained again"
        if reason:
            jobs.append(_training(weights, request, data_of[weights.scenario], reason))
    jobs += list(_measurements(request, data_of, {job.name for job in jobs if job.problem is None}))
    return [_checked(job, {other.name: other for other in jobs}) for job in jobs]


def _reason(weights: WeightFile, request: RebuildRequest) -> str | None:
    card = card_of(weights.name)
    if not card:
        return "its card cannot be read" if has_weights(weights.name) else "not there"
    if card.get("quality") == "imported":
        return None  # it was not trained here
    if (facts := _unfinished(weights)) and facts["quality"] == (request.quality or card.get("quality")):
        return f"its training was cut short after {facts['step']} steps and goes on"
    if request.quality == "full" and card.get("quality", "full") == "quick":
        return "there as quick"
    return "rebuilt from its card" if request.everything else None


def _unfinished(weights: WeightFile) -> dict[str, Any]:
    """Return what the checkpoint of a prior's training says, empty where there is none."""
    if weights.what != "prior":
        return {}
    return checkpoint_facts(checkpoint_path(weights.scenario, weights.key, weights.target, weights.defense))


def _victim(weights: WeightFile) -> str:
    """Return the target that a tuned prior, or what is put around an output, is fitted to."""
    target = weights.key if weights.what == "target" else weights.target or SCENARIOS[weights.scenario].default_target
    return target_name(weights.scenario, target, weights.defense)


def _training(weights: WeightFile, request: RebuildRequest, data: ScenarioData, reason: str) -> RebuildJob:
    card = card_of(weights.name)
    needs: tuple[str, ...] = ()
    problem = data.problem(weights, card)
    arguments = ["train", weights.what, "--scenario", weights.scenario, "--device", request.device]
    seed = card.get("seed", card.get("recipe", {}).get("seed", 0))
    quality = request.quality or card.get("quality", "quick")
    if weights.what == "public":
        arguments += [
            "--arch",
            weights.key,
            *(["--data", str(data.classes)] if data.classes else []),
            *(["--source", card["data"]] if "data" in card else []),
        ]
    elif weights.what == "judge":
        needs = (prior_name(weights.scenario, "gan"),)  # whose samples it learns to read or to refuse
        arguments += ["--data", str(data.judged), "--source", card["data"]] if data.judged and "data" in card else []
    elif weights.what == "target":
        arguments += ["--arch", weights.key]
        built_on = card.get("defense", {}).get("public", {}).get("name")
        needs = (_victim(weights),) if weights.around else (built_on,) if built_on else ()
    elif weights.what == "prior":
        arguments += [
            "--prior",
            weights.key,
            "--quality",
            quality,
            *data.data_arguments,
            "--source",
            data.scenario.public_source,
        ]
        if (facts := _unfinished(weights)) and facts["quality"] == quality:
            arguments, seed = [*arguments, "--resume"], facts["seed"]
    if weights.stage == TUNED:
        plain = () if weights.defense == "none" else (prior_name(weights.scenario, weights.key, weights.target),)
        needs = (_victim(weights), prior_name(weights.scenario, "gan"), *plain)
        arguments += ["--target", weights.target or data.scenario.default_target]
    if weights.defense != "none":
        arguments += ["--defense", weights.defense]
    if card and weights.what not in ("public", "judge") and (weights.what != "prior" or card.get("quality") == quality):
        arguments.append("--as-card")
    arguments += ["--seed", str(seed), *_threads(request)]
    return RebuildJob(weights.name, weights.stage, tuple(arguments), reason, weights.name, needs, problem)


def _serving(scenario: str, key: str, target: str | None, made: set[str]) -> str:
    """Return the weights that a scenario's prior will be read from: its own, or those of whom it borrows from."""
    own, lender = prior_name(scenario, key, target), SCENARIOS[scenario].borrows
    if lender is None or PRIORS[key].tuned or own in made or has_weights(own):
        return own
    return prior_name(lender, key)


def _threads(request: RebuildRequest) -> list[str]:
    return ["--threads", str(request.threads)] if request.threads else []


def _measurements(request: RebuildRequest, data_of: Mapping[str, ScenarioData], made: set[str]) -> Iterator[RebuildJob]:
    """Yield a job for every prior whose figures are missing or will be out of date."""
    for scenario, data in data_of.items():
        evaluator = target_name(scenario, EVALUATOR)
        for entry in PRIORS:
            target = data.scenario.default_target if entry.item.tuned else None
            card = _serving(scenario, entry.key, target, made)
            if reason := _measuring_reason(scenario, card, evaluator, made):
                arguments = ["quality", "--scenario", scenario, "--prior", entry.key, "--device", request.device]
                arguments += [*(["--target", target] if target else []), *data.data_arguments, *_threads(request)]
                yield RebuildJob(
                    f"{prior_name(scenario, entry.key, target)} figures",
                    FIGURES,
                    tuple(arguments),
                    reason,
                    card,
                    (evaluator, card),
                    data.public_problem(card_of(card)),
                )


def _measuring_reason(scenario: str, card: str, evaluator: str, made: set[str]) -> str | None:
    if card in made:
        return "its weights are new"
    if not card_of(card):
        return None
    figures = figures_of(card_of(card), scenario)
    if figures is None:
        return "not measured yet"
    judge = card_of(evaluator).get("sha256", "")[:12]
    return "measured by another evaluator" if evaluator in made or judge != figures["evaluator"] else None


def _checked(job: RebuildJob, planned: dict[str, RebuildJob]) -> RebuildJob:
    """Return the job with the problem that it needs something nobody makes, if it does."""
    lacking = [name for name in job.needs if name not in planned and not has_weights(name)]
    if job.problem is None and lacking:
        return replace(job, problem=f"It needs {lacking[0]}, which is not there and is not made here.")
    return job
