"""What the application and its worker process say to each other: one JSON object a line, either way.

Commands go to the worker's standard input, reports come from its standard output. Each side reads what the other wrote
with `parse`, which refuses everything that is not of the kind told here.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from workbench.core.errors import UsageError
from workbench.core.records import RunState


class NotUnderstood(UsageError):
    """A line that is no command or no report."""


class Do(enum.StrEnum):
    """What a worker can be told."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    STEP = "step"
    STOP = "stop"
    SET = "set"  # a live knob, `name` to `value`


class Said(enum.StrEnum):
    """What a worker reports."""

    READY = "ready"  # it can start something, on this `device`
    STARTED = "started"
    DONE = "done"  # the command with this number was obeyed
    REFUSED = "refused"  # it was not, and why
    ENDED = "ended"  # how, and whether that is on record already


@dataclass(frozen=True)
class WorkerCommand:
    """One command about one run.

    Attributes:
        number: tells its answer from others; 0 where nobody waits for one.
        name, value: of `SET`.
    """

    do: Do
    run: str
    number: int = 0
    name: str = ""
    value: Any = None

    def line(self) -> str:
        return _line(self)

    @classmethod
    def parse(cls, line: str | bytes) -> WorkerCommand:
        """Return the command of a line; raises `NotUnderstood`."""
        data = _object(line)
        command = _of(cls, {**data, "do": _member(Do, data.get("do"))})
        if command.do is Do.SET and not command.name:
            raise NotUnderstood("'set' names no knob.")
        return command


@dataclass(frozen=True)
class Report:
    """One report of the worker.

    Attributes:
        number: of the command that it answers; 0 for none.
        do: the command that was refused.
        state, reason, filed: how a run ended, why, and whether that is on record already.
        leaving: with an end: the worker's device computes no more, and the process ends; it is to start nothing else.
    """

    said: Said
    run: str = ""
    number: int = 0
    do: str = ""
    message: str = ""
    state: RunState = RunState.FAILED
    reason: str = ""
    filed: bool = True
    leaving: bool = False
    device: Mapping[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        return _line(self)

    @classmethod
    def parse(cls, line: str | bytes) -> Report:
        """Return the report of a line; raises `NotUnderstood`."""
        data = _object(line)
        states = {"state": _member(RunState, data["state"])} if "state" in data else {}
        return _of(cls, {**data, "said": _member(Said, data.get("said")), **states})


Kind = TypeVar("Kind", WorkerCommand, Report)
Member = TypeVar("Member", bound=enum.StrEnum)
TYPES: Mapping[str, type] = {
    "run": str,
    "number": int,
    "name": str,
    "do": str,
    "filed": bool,
    "leaving": bool,
    "device": dict,
}


def _line(message: WorkerCommand | Report) -> str:
    return json.dumps(asdict(message)) + "\n"


def _object(line: str | bytes) -> dict[str, Any]:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise NotUnderstood(f"This line is not JSON ({error}).") from None
    if not isinstance(data, dict):
        raise NotUnderstood("This line is not a JSON object.")
    return data


def _member(kind: type[Member], text: object) -> Member:
    try:
        return kind(str(text))
    except ValueError:
        known = ", ".join(kind)
        raise NotUnderstood(f"Nobody knows {str(text)[:40]!r} here. Known: {known}.") from None


def _of(kind: type[Kind], data: dict[str, Any]) -> Kind:
    for name, value in data.items():
        if not isinstance(value, TYPES.get(name, object)):
            raise NotUnderstood(f"{name}={str(value)[:40]!r} is not a {TYPES[name].__name__}.")
    try:
        return kind(**data)
    except TypeError as error:  # a field too many, or one missing
        raise NotUnderstood(
            str(error).replace(f"{kind.__name__}.__init__()", f"This {kind.__name__.lower()}")
        ) from None
