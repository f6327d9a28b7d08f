"""A worker as the application sees it: a process that takes lines, gives lines, and may die at any moment."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO

from workbench.core.paths import ROOT
from workbench.workers.protocol import NotUnderstood, Report, WorkerCommand

log = logging.getLogger(__name__)


class WorkerProcess:
    """One worker process from its start to its end.

    Args:
        options: of ``python -m workbench.workers.worker``.
        heard: called with each report, on a thread of its own.
        died: called on that thread, once, with why the process ended.

    Raises:
        OSError: the process cannot be started.
    """

    def __init__(
        self,
        options: Sequence[str],
        heard: Callable[[WorkerProcess, Report], None],
        died: Callable[[WorkerProcess, str], None],
    ) -> None:
        self._heard, self._died = heard, died
        self._process = subprocess.Popen(
            [sys.executable, "-m", "workbench.workers.worker", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            # Ctrl-C in the terminal goes to the application alone, which then files what the worker was at.
            start_new_session=True,
        )
        assert self._process.stdin is not None and self._process.stdout is not None  # both are pipes
        self._commands: IO[bytes] = self._process.stdin
        self._reports: IO[bytes] = self._process.stdout
        threading.Thread(target=self._read, name="worker reports", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, command: WorkerCommand) -> None:
        """Pass a command on; to a worker that has just died it is lost, and `died` tells."""
        with suppress(OSError, ValueError):
            self._commands.write(command.line().encode())
            self._commands.flush()

    def leave(self, grace: float) -> None:
        """End the process: it may file what it was at for `grace` seconds, then it is killed."""
        with suppress(OSError):  # it died with a command unread
            self._commands.close()
        try:
            self._process.wait(timeout=grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self) -> None:
        try:
            for line in self._reports:
                try:
                    self._heard(self, Report.parse(line))
                except NotUnderstood as error:
                    log.error("The worker said what nobody understands: %s", error)
                except Exception:  # whatever is wrong with one report, the next one must be heard
                    log.exception("a report of the worker: %r", line[:200])
        finally:
            status = self._process.wait()
            self._reports.close()
            self._died(self, cause(status))


def cause(status: int) -> str:
    """Return why a process ended, from its exit status."""
    if status >= 0:
        return f"exit status {status}"
    name = signal.Signals(-status).name
    return f"{name} (often: out of memory)" if status == -signal.SIGKILL else name
