"""``train shipped``: every weight in ``models/`` again, what is missing, or what two cores made quickly."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from workbench.core.errors import UsageError
from workbench.engine.model_cache import pick_device
from workbench.rebuild import (
    PROGRAM,
    Event,
    RebuildJob,
    RebuildRequest,
    carry_out,
    done_before,
    forget_done,
    log_path,
    note_done,
    plan,
    progress_path,
)


def arguments(group: Any) -> None:
    group.add_argument("--missing", action="store_true", help="only what is not there or was cut short")
    group.add_argument("--data-root", type=Path, metavar="DIR", help="holds public images in DIR/<scenario>")
    group.add_argument("--jobs", type=int, metavar="N", help="trainings at once (default: 1, on a GPU 3)")
    group.add_argument("--dry-run", action="store_true", help="say what would be done, and why")


def request_of(options: argparse.Namespace, at_once: int) -> RebuildRequest:
    threads = options.threads or (max(1, (os.cpu_count() or 1) // at_once) if at_once > 1 else None)
    root = options.data_root and options.data_root.resolve()
    return RebuildRequest(options.scenario, options.missing, options.quality, root, options.device, threads)


def run(options: argparse.Namespace) -> int:
    """Say what is to be done and do it; the exit status is 1 if something failed."""
    if options.jobs is not None and options.jobs < 1:
        raise UsageError("--jobs must be at least 1.")
    if options.data_root is not None and not options.data_root.is_dir():
        raise UsageError(
            f"{options.data_root} is not a folder. --data-root names one that holds a folder of public "
            "images for each scenario."
        )
    at_once = options.jobs or (3 if pick_device(options.device).type == "cuda" else 1)
    request = request_of(options, at_once)
    done = done_before(request)
    jobs = plan(request, done)
    if done:
        print(f"{len(done)} were rebuilt by an earlier call that did not end; remove {progress_path()} to begin anew.")
    for problem in dict.fromkeys(job.problem for job in jobs if job.problem):
        print(f"skipped: {problem}\n    " + ", ".join(job.name for job in jobs if job.problem == problem))
    if options.dry_run:
        for job in jobs:
            if not job.problem:
                print(f"{job.name}: {job.reason}\n    python -m workbench {shlex.join(job.arguments)}")
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what is running ends with this process
    ended = follow(jobs, request, done, at_once)
    failed = [event.job for event in ended if event.state == "failed"]
    if not failed:
        forget_done(request)
    print(
        ", ".join(f"{sum(event.state == state for event in ended)} {state}" for state in ("done", "skipped", "failed"))
        + "".join(f"\n    {job.name}: see {log_path(job)}" for job in failed)
    )
    return 1 if failed else 0


def follow(jobs: Sequence[RebuildJob], request: RebuildRequest, done: Sequence[str], at_once: int) -> list[Event]:
    """Carry the jobs out and print what happens; returns how each ended."""
    ended: list[Event] = []
    with closing(carry_out(jobs, at_once=at_once, program=PROGRAM)) as events:
        for event in events:
            if event.state == "running":
                if sys.stderr.isatty():
                    print(f"\r\033[K{event.job.name}  {event.text[:100]}", end="", file=sys.stderr, flush=True)
                continue
            if not event.job.problem:  # that was said before anything started
                spent = f" after {event.seconds:.0f} s" if event.seconds else ""
                print(
                    f"{event.job.name}: {event.state}{spent}" + (f": {event.text}" if event.state != "done" else ""),
                    flush=True,
                )
            if event.state != "started":
                ended.append(event)
                note_done(request, [*done, *(e.job.name for e in ended if e.state == "done")])
    return ended
