"""Work of half a minute for somebody who watches: one at a time, on a thread of its own, to be stopped at will."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from workbench.core.errors import WorkbenchError

KEPT = 64  # chores remembered after they ended
RETRY = 5.0  # seconds before what failed is tried again

log = logging.getLogger(__name__)


class _Stopped(Exception):
    pass


@dataclass(eq=False)
class Chore:
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
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def ended(self) -> bool:
        return self.state in ("finished", "stopped", "failed")

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


class Chores:
    """Runs chores in order of arrival; the same one is never run twice at once."""

    def __init__(self) -> None:
        self._chores: dict[Hashable, Chore] = {}
        self._lock, self._turn = threading.Lock(), threading.Lock()

    def get(self, key: Hashable) -> Chore | None:
        return self._chores.get(key)

    def start(self, key: Hashable, work: Callable[[Chore], Any]) -> Chore:
        """Return the chore called `key`, started now unless it waits, runs, has finished or has just failed."""
        with self._lock:
            chore = self._chores.get(key)
            failed_long_ago = chore and chore.state == "failed" and time.monotonic() - chore.ended_at > RETRY
            if chore is None or chore.state == "stopped" or failed_long_ago:
                self._chores.pop(key, None)
                self._chores[key] = chore = Chore()
                self._forget()
                threading.Thread(target=self._do, args=(chore, work), name="chore", daemon=True).start()
            return chore

    def close(self) -> None:
        """Stop everything."""
        for chore in list(self._chores.values()):
            chore.stop()

    def _forget(self) -> None:
        ended = [key for key, chore in self._chores.items() if chore.ended]
        for key in ended[: max(0, len(self._chores) - KEPT)]:
            del self._chores[key]

    def _do(self, chore: Chore, work: Callable[[Chore], Any]) -> None:
        with self._turn:
            try:
                chore.report(0.0)
                chore.state = "running"
                chore.result = work(chore)
                chore.share, chore.state = 1.0, "finished"
            except _Stopped:
                chore.state = "stopped"
            except WorkbenchError as error:
                chore.problem, chore.state = str(error), "failed"
            except Exception as error:
                log.exception("a chore failed")
                chore.problem, chore.state = f"{type(error).__name__}: {error}", "failed"
            chore.ended_at = time.monotonic()
