"""Rebuilding every shipped weight: what is to be made, in which order, why, and the doing of it.

What is wanted follows from the registries (every target and prior of every scenario) and from the cards in
``models/`` (a target under a defense, what a defense puts around one, a prior tuned to another target). Each weight is one process of the
command line, so that several can run at once and one that dies takes nothing with it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from workbench.core.errors import WeightsCorrupt, WorkbenchError
from workbench.core.paths import ROOT, models_dir
from workbench.core.weights import has_weights, read_card, write_atomically
from workbench.priors import PRIORS, Prior
from workbench.priors.base import weights_name as prior_name
from workbench.priors.training import checkpoint_facts
from workbench.runs.quality import figures_of
from workbench.runs.trainings import checkpoint_path
from workbench.scenarios import SCENARIOS, Scenario
from workbench.targets import ARCHITECTURES
from workbench.targets.store import EVALUATOR, release_name
from workbench.targets.store import weights_name as target_name

TARGETS, RELEASES, EVALUATORS, GANS, OTHERS, TUNED, FIGURES = range(7)  # the order of making
PROGRAM = (sys.executable, "-m", "workbench")
PATIENCE = 20.0  # seconds that a process has to end when asked


@dataclass(frozen=True)
class Wish:
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
class Piece:
    """One file of weights: a target, what is put around its output, the evaluator or a prior."""

    what: str  # "target", "evaluator" or "prior"
    scenario: str
    key: str
    target: str | None = None  # of a tuned prior
    defense: str = "none"

    @property
    def name(self) -> str:
        if self.what == "prior":
            return prior_name(self.scenario, self.key, self.target, self.defense)
        return self.around or target_name(self.scenario, self.key, self.defense)

    @property
    def around(self) -> str | None:
        """The weights of what a defense puts around the output, None if this piece is no such thing."""
        return release_name(self.scenario, self.key, self.defense) if self.what == "target" else None

    @property
    def stage(self) -> int:
        if self.what != "prior":
            return EVALUATORS if self.what == "evaluator" else RELEASES if self.around else TARGETS
        return TUNED if PRIORS[self.key].tuned else GANS if self.key == "gan" else OTHERS


def card_of(name: str) -> dict[str, Any]:
    """Return the card of `name`; empty if it is not there or cannot be read."""
    try:
        return read_card(name) if has_weights(name) else {}
    except WeightsCorrupt:
        return {}


@dataclass(frozen=True)
class Job:
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


@dataclass(frozen=True)
class Event:
    """Something that happened to a job: it "started", is "running", is "done", "failed" or was "skipped"."""

    job: Job
    state: str
    text: str = ""
    seconds: float = 0.0


class Place:
    """A scenario with the public images that there are for it here.

    Args:
        root: see `Wish`.
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

    def public_problem(self, card: Mapping[str, Any] | None = None) -> str | None:
        """Return why there are no public images here, or fewer than the weights of `card` have seen; or None."""
        if self.folder is not None:
            return None
        where = f"With --data-root DIR they are looked for in DIR/{self.scenario.key}."
        if problem := self.scenario.public_problem():
            return f"{problem} {where}"
        seen = (card or {}).get("public_images", 0)
        if self._brought < seen:
            return (f"It was trained on {seen} public images, and without a folder of them there are {self._brought}: "
                    f"{self.scenario.public_source}. {where}")
        return None


# What is wanted


def pieces(scenario: str | None = None) -> list[Piece]:
    """Return every weight that is shipped or should be, in the order of making."""
    places = [entry.key for entry in SCENARIOS if scenario in (None, entry.key)]
    wanted = {piece.name: piece for place in places for piece in _registered(place)}
    for path in sorted(models_dir().glob("[!.]*/*.json")):
        name = f"{path.parent.name}/{path.stem}"
        if path.parent.name in places and name not in wanted and (piece := _carded(name)):
            wanted[name] = piece
    order = {piece.name: (piece.stage, places.index(piece.scenario)) for piece in wanted.values()}
    return sorted(wanted.values(), key=lambda piece: order[piece.name])


def _registered(scenario: str) -> Iterator[Piece]:
    for entry in ARCHITECTURES:
        if entry.key != EVALUATOR and entry.info.get("role") == EVALUATOR:
            continue  # a scenario may choose it as its evaluator
        yield Piece("evaluator" if entry.key == EVALUATOR else "target", scenario, entry.key)
    for entry in PRIORS:
        kind = entry.item
        if kind.trainer.__func__ is Prior.trainer.__func__:
            continue  # it is not trained but brought along
        piece = Piece("prior", scenario, entry.key, SCENARIOS[scenario].default_target if kind.tuned else None)
        # What another scenario lends needs no weights of one's own; but tuned priors start from one's own GAN.
        if kind.tuned or entry.key == "gan" or SCENARIOS[scenario].borrows is None or has_weights(piece.name):
            yield piece


def _carded(name: str) -> Piece | None:
    """Return what a card describes, or None if it is of nothing that the command line trains."""
    scenario, stem = name.split("/")
    card = card_of(name)
    defense = card.get("defense", "none")
    defense = defense["text"] if isinstance(defense, dict) else defense
    key = stem.removeprefix("prior-").split("-for-")[0]
    if stem.startswith("target-") and card.get("arch") in ARCHITECTURES:
        if "+" in stem:  # its card names what is around the output, the target's card what was done in training
            trained = card_of(card.get("target", "")).get("defense", {}).get("text")
            defense = "+".join(filter(None, (trained, defense)))
        piece = Piece("target", scenario, card["arch"], defense=defense)
    elif stem.startswith("prior-") and key in PRIORS:
        piece = Piece("prior", scenario, key, card.get("target"), defense)
    else:
        return None
    try:
        return piece if piece.name == name else None
    except WorkbenchError:  # a defense that is gone
        return None


def plan(wish: Wish, done: Iterable[str] = ()) -> list[Job]:
    """Return what is to be done, in the order of doing it.

    Args:
        done: names that an earlier call for the same wish has finished.
    """
    if wish.scenario is not None:
        SCENARIOS.entry(wish.scenario)
    done, jobs = set(done), []
    places = {entry.key: Place(entry.item(), wish.root) for entry in SCENARIOS if wish.scenario in (None, entry.key)}
    for piece in pieces(wish.scenario):
        if piece.name in done:
            continue
        reason = _reason(piece, wish)
        if reason is None and piece.stage in (TUNED, RELEASES) and any(j.name == _victim(piece) for j in jobs):
            reason = "its target is trained again"
        if reason:
            jobs.append(_training(piece, wish, places[piece.scenario], reason))
    jobs += list(_measurements(wish, places, {job.name for job in jobs if job.problem is None}))
    return [_checked(job, {other.name: other for other in jobs}) for job in jobs]


def _reason(piece: Piece, wish: Wish) -> str | None:
    card = card_of(piece.name)
    if not card:
        return "its card cannot be read" if has_weights(piece.name) else "not there"
    if card.get("quality") == "imported":
        return None  # it was not trained here
    if (facts := _unfinished(piece)) and facts["quality"] == (wish.quality or card.get("quality")):
        return f"its training was cut short after {facts['step']} steps and goes on"
    if wish.quality == "full" and card.get("quality", "full") == "quick":
        return "there as quick"
    return "rebuilt from its card" if wish.everything else None


def _unfinished(piece: Piece) -> dict[str, Any]:
    """Return what the checkpoint of a prior's training says, empty where there is none."""
    if piece.what != "prior":
        return {}
    return checkpoint_facts(checkpoint_path(piece.scenario, piece.key, piece.target, piece.defense))


def _victim(piece: Piece) -> str:
    """Return the target that a tuned prior, or what is put around an output, is fitted to."""
    target = piece.key if piece.what == "target" else piece.target or SCENARIOS[piece.scenario].default_target
    return target_name(piece.scenario, target, piece.defense)


def _training(piece: Piece, wish: Wish, place: Place, reason: str) -> Job:
    card, needs = card_of(piece.name), ()
    problem = place.public_problem(card) if piece.what == "prior" else place.scenario.problem()
    arguments = ["train", piece.what, "--scenario", piece.scenario, "--device", wish.device]
    seed = card.get("seed", card.get("recipe", {}).get("seed", 0))
    quality = wish.quality or card.get("quality", "quick")
    if piece.what == "target":
        arguments += ["--arch", piece.key]
        needs = (_victim(piece),) if piece.around else ()
    elif piece.what == "prior":
        arguments += ["--prior", piece.key, "--quality", quality, *place.data_arguments,
                      "--source", place.scenario.public_source]
        if (facts := _unfinished(piece)) and facts["quality"] == quality:
            arguments, seed = [*arguments, "--resume"], facts["seed"]
    if piece.stage == TUNED:
        needs = (_victim(piece), prior_name(piece.scenario, "gan"))
        arguments += ["--target", piece.target or place.scenario.default_target]
    if piece.defense != "none":
        arguments += ["--defense", piece.defense]
    if card and (piece.what != "prior" or card.get("quality") == quality):
        arguments.append("--as-card")
    arguments += ["--seed", str(seed), *_threads(wish)]
    return Job(piece.name, piece.stage, tuple(arguments), reason, piece.name, needs, problem)


def _serving(scenario: str, key: str, target: str | None, made: set[str]) -> str:
    """Return the weights that a scenario's prior will be read from: its own, or those of whom it borrows from."""
    own, lender = prior_name(scenario, key, target), SCENARIOS[scenario].borrows
    if lender is None or PRIORS[key].tuned or own in made or has_weights(own):
        return own
    return prior_name(lender, key)


def _threads(wish: Wish) -> list[str]:
    return ["--threads", str(wish.threads)] if wish.threads else []


def _measurements(wish: Wish, places: Mapping[str, Place], made: set[str]) -> Iterator[Job]:
    """Yield a job for every prior whose figures are missing or will be out of date."""
    for scenario, place in places.items():
        evaluator = target_name(scenario, EVALUATOR)
        for entry in PRIORS:
            target = place.scenario.default_target if entry.item.tuned else None
            card = _serving(scenario, entry.key, target, made)
            if reason := _measuring_reason(scenario, card, evaluator, made):
                arguments = ["quality", "--scenario", scenario, "--prior", entry.key, "--device", wish.device]
                arguments += [*(["--target", target] if target else []), *place.data_arguments, *_threads(wish)]
                yield Job(f"{prior_name(scenario, entry.key, target)} figures", FIGURES, tuple(arguments), reason, card,
                          (evaluator, card), place.public_problem(card_of(card)))


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


def _checked(job: Job, planned: dict[str, Job]) -> Job:
    """Return the job with the problem that it needs something nobody makes, if it does."""
    lacking = [name for name in job.needs if name not in planned and not has_weights(name)]
    if job.problem is None and lacking:
        return replace(job, problem=f"It needs {lacking[0]}, which is not there and is not made here.")
    return job


# Doing it


@dataclass
class Running:
    job: Job
    process: subprocess.Popen[bytes]
    log: Path
    begun: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begun


def log_path(job: Job) -> Path:
    """Return where a job's output goes; it stays only if the job fails."""
    return models_dir() / ".checkpoints" / f"{re.sub('[^a-z0-9-]+', '-', job.name.lower())}.log"


def carry_out(jobs: Sequence[Job], *, at_once: int = 1, program: Sequence[str] = PROGRAM,
              every: float = 5.0) -> Iterator[Event]:
    """Run jobs, at most `at_once` at a time, each after those it needs; yields what happens.

    A job that fails costs only those that need it. Closing this generator ends what is running.

    Args:
        program: what the arguments of a job are given to.
        every: seconds between two "running" events of a job.
    """
    waiting, lost = list(jobs), set()
    running: list[Running] = []
    told = time.monotonic()
    try:
        while waiting or running:
            for job in list(waiting):
                busy = {r.job.name for r in running} | {j.name for j in waiting}
                lacking = [name for name in job.needs if name in lost and not has_weights(name)]
                if job.problem or lacking:
                    waiting.remove(job)
                    lost.add(job.name)
                    yield Event(job, "skipped", job.problem or f"It needs {lacking[0]}, which could not be made.")
                elif len(running) < at_once and not busy & set(job.needs) and job.card not in {r.job.card for r in running}:
                    waiting.remove(job)
                    running.append(_start(job, program))
                    yield Event(job, "started", job.reason)
            for r in [r for r in running if r.process.poll() is not None]:
                running.remove(r)
                text = _last_words(r.log)
                if r.process.returncode == 0:
                    r.log.unlink(missing_ok=True)
                    yield Event(r.job, "done", text, r.seconds)
                else:
                    lost.add(r.job.name)
                    yield Event(r.job, "failed", text or f"It ended with status {r.process.returncode}.", r.seconds)
            if time.monotonic() - told >= every:
                told = time.monotonic()
                for r in running:
                    yield Event(r.job, "running", _last_words(r.log), r.seconds)
            if running:
                time.sleep(0.1)
    finally:
        for r in running:
            r.process.terminate()
        for r in running:
            try:
                r.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                r.process.kill()
                r.process.wait()


def _start(job: Job, program: Sequence[str]) -> Running:
    log = log_path(job)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen([*program, *job.arguments], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    return Running(job, process, log)


def _last_words(log: Path) -> str:
    """Return the last line of a log; a progress bar's is what it shows now."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4000))
        lines = re.split(r"[\r\n]+", file.read().decode(errors="replace"))
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


# A rebuilding of everything that was cut short


def diary_path() -> Path:
    return models_dir() / ".checkpoints" / "shipped.json"


def done_before(wish: Wish) -> list[str]:
    """Return what an earlier call that did not end has rebuilt for the same wish."""
    if not wish.everything:
        return []  # what it finished is there, and so no longer wanted
    try:
        diary = json.loads(diary_path().read_text())
    except (OSError, json.JSONDecodeError):
        return []
    return diary["done"] if diary["scenario"] == wish.scenario else []


def note_done(wish: Wish, done: Iterable[str]) -> None:
    """Remember what has been rebuilt, for a call that goes on after this one was cut short."""
    if wish.everything:
        write_atomically(diary_path(), json.dumps({"scenario": wish.scenario, "done": sorted(done)}).encode())


def forget_done(wish: Wish) -> None:
    if wish.everything:
        diary_path().unlink(missing_ok=True)
