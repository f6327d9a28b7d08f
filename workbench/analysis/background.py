"""Work of half a minute for somebody who watches: one at a time, on a thread of its own, to be stopped at will."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from workbench.core.errors import WorkbenchError

KEPT = 64  # jobs remembered after they ended
RETRY = 5.0  # seconds before what failed is tried again

log = logging.getLogger(__name__)


class _Stopped(Exception):
    pass


@dataclass(eq=False)
class BackgroundJob:
    """One piece of work.

    Attributes:
        state: "waiting", "running", "finished", "stopped" or "failed".
        share: how much is done, 0 to 1.
        result: what the work returned; what it showed last, while it runs.
        problem: why it failed, in a sentence.
    """

    state: str = "waiting"
    share: float = 0.0
    text: str = ""
    result: Any = None
    problem: str = ""
    ended_at: float = 0.0
    owners: set[str] = field(default_factory=set)  # who asked for it
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def ended(self) -> bool:
        return self.state in ("finished", "stopped", "failed")

    @property
    def stopping(self) -> bool:
        """Whether it was told to end at its next report."""
        return self._stop.is_set()

    def report(self, share: float, text: str = "", shown: Any = None) -> None:
        """Say how far it has come; does not return if the work is to stop."""
        if self._stop.is_set():
            raise _Stopped
        self.share, self.text = share, text
        if shown is not None:
            self.result = shown

    def stop(self) -> None:
        """Let the work end at its next report."""
        self._stop.set()

    def withdraw(self, owner: str) -> None:
        """Take back what one of those who asked has asked for; the work ends once nobody is left who wants it."""
        self.owners.discard(owner)
        if not self.owners:
            self.stop()


class BackgroundJobs:
    """Runs jobs in order of arrival; the same one is never run twice at once."""

    def __init__(self) -> None:
        self._jobs: dict[Hashable, BackgroundJob] = {}
        self._lock, self._turn = threading.Lock(), threading.Lock()

    def get(self, key: Hashable) -> BackgroundJob | None:
        return self._jobs.get(key)

    def start(self, key: Hashable, work: Callable[[BackgroundJob], Any]) -> BackgroundJob:
        """Return the job called `key`, started now unless it waits, runs, has finished or has just failed."""
        with self._lock:
            job = self._jobs.get(key)
            failed_long_ago = job and job.state == "failed" and time.monotonic() - job.ended_at > RETRY
            if job is None or job.state == "stopped" or failed_long_ago:
                self._jobs.pop(key, None)
                self._jobs[key] = job = BackgroundJob()
                self._forget()
                threading.Thread(target=self._do, args=(job, work), name="job", daemon=True).start()
            return job

    def close(self) -> None:
        """Stop everything."""
        for job in list(self._jobs.values()):
            job.stop()

    def _forget(self) -> None:
        ended = [key for key, job in self._jobs.items() if job.ended]
        for key in ended[: max(0, len(self._jobs) - KEPT)]:
            del self._jobs[key]

    def _do(self, job: BackgroundJob, work: Callable[[BackgroundJob], Any]) -> None:
        with self._turn:
            try:
                job.report(0.0)
                job.state = "running"
                job.result = work(job)
                job.share, job.state = 1.0, "finished"
            except _Stopped:
                job.state = "stopped"
            except WorkbenchError as error:
                job.problem, job.state = str(error), "failed"
            except Exception as error:
                log.exception("a job failed")
                job.problem, job.state = f"{type(error).__name__}: {error}", "failed"
            job.ended_at = time.monotonic()
