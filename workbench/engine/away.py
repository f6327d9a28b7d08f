"""Waiting for a target elsewhere that is away: the run pauses inside its question and goes on when it is answered."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor, nn

from workbench.core.errors import TargetAway
from workbench.core.records import RunState
from workbench.runs.control import RunControl
from workbench.targets.remote.base import ForeignTarget

log = logging.getLogger(__name__)

FIRST_LOOK, LONGEST_LOOK = 1.0, 5.0  # seconds between looks whether the target is back; doubled each time


def waiting(error: TargetAway, looks: int) -> str:
    """Return what a person is told while a run waits, after so many looks in vain."""
    again = f" Looked {looks} time{'s' * (looks > 1)} since, still away." if looks else ""
    return f"{error} Nothing is lost: the run goes on by itself when the target is back; Resume looks at once.{again}"


class StoppedWaiting(Exception):
    """The run was stopped while its target was away."""


class AwaitedTarget(nn.Module):
    """A target elsewhere, some of whose questions take as long as it is away.

    Args:
        wait: called with the fault; returns when asking again is worth it, or raises to give up.
    """

    def __init__(self, target: ForeignTarget, wait: Callable[[TargetAway], None]) -> None:
        super().__init__()
        self.target, self.wait = target, wait

    def forward(self, images: Tensor) -> Tensor:
        """Return the target's answers (n, K) about images (n, C, H, W), however long it is away meanwhile."""
        while True:
            try:
                return self.target(images)
            except TargetAway as error:
                self.wait(error)

    def __deepcopy__(self, memo: dict[int, Any]) -> AwaitedTarget:
        return self


class RemoteWait:
    """Files a run as paused while its target is away, with what it waits for.

    It looks again by itself, and at once when the person resumes the run, which goes on when the target answers. A run
    that the person had paused before stays paused then.

    Args:
        note: files an event, such as "away", with its message.
        file: files the run's state and reason.
        held: a context in which the run's time stands still.
    """

    def __init__(
        self,
        control: RunControl,
        note: Callable[[str, str], None],
        file: Callable[[RunState, str], None],
        held: Callable[[], AbstractContextManager[None]],
        first_look: float = FIRST_LOOK,
    ) -> None:
        self.control, self.note, self.file, self.held, self.first_look = control, note, file, held, first_look

    def opened(self, opening: Callable[[], ForeignTarget], back: Callable[[], bool]) -> ForeignTarget:
        """Return the target as soon as it is there; `back` looks whether opening it is worth another try."""
        while True:
            try:
                return opening()
            except TargetAway as error:
                self._wait(error, back)

    def over(self, target: ForeignTarget) -> AwaitedTarget:
        return AwaitedTarget(target, lambda error: self._wait(error, target.back))

    def _wait(self, error: TargetAway, back: Callable[[], bool]) -> None:
        paused_before, look, looks = self.control.paused, self.first_look, 0
        self.note("away", str(error))
        log.warning("paused: %s", error)
        self.control.pause()
        with self.held():
            while True:
                self.file(RunState.PAUSED, waiting(error, looks))
                self.control.wait(look)
                if self.control.stopped or back():
                    break
                looks, look = looks + 1, min(2 * look, LONGEST_LOOK)
                if not self.control.paused:  # resumed too early
                    paused_before, look = False, self.first_look
                    self.control.pause()
        if self.control.stopped:
            raise StoppedWaiting
        if not paused_before:
            self.control.resume()
        self.note("back", "")
        log.warning("going on: the target answers again")
        self.file(RunState.RUNNING, "")
