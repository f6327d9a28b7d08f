"""Carrying jobs out: each a process of the command line, several at once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workbench.core.paths import ROOT, models_dir
from workbench.core.weights import has_weights
from workbench.rebuild.plan import RebuildJob

PROGRAM = (sys.executable, "-m", "workbench")
PATIENCE = 20.0  # seconds that a process has to end when asked


@dataclass(frozen=True)
class Event:
    """Something that happened to a job: it "started", is "running", is "done", "failed" or was "skipped"."""

    job: RebuildJob
    state: str
    text: str = ""
    seconds: float = 0.0


@dataclass
class Running:
    job: RebuildJob
    process: subprocess.Popen[bytes]
    log: Path
    begun: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begun


def log_path(job: RebuildJob) -> Path:
    """Return where a job's output goes; it stays only if the job fails."""
    return models_dir() / ".checkpoints" / f"{re.sub('[^a-z0-9-]+', '-', job.name.lower())}.log"


def carry_out(
    jobs: Sequence[RebuildJob], *, at_once: int = 1, program: Sequence[str] = PROGRAM, every: float = 5.0
) -> Generator[Event, None, None]:
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
                elif (
                    len(running) < at_once
                    and not busy & set(job.needs)
                    and job.card not in {r.job.card for r in running}
                ):
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


def _start(job: RebuildJob, program: Sequence[str]) -> Running:
    log = log_path(job)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*program, *job.arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    return Running(job, process, log)


def _last_words(log: Path) -> str:
    """Return the last line of a log; a progress bar's is what it shows now."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4000))
        lines = re.split(r"[\r\n]+", file.read().decode(errors="replace"))
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
