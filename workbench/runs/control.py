"""What may happen to a run while it goes: pause, single steps, stop, new knob values."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from workbench.core.errors import KnobError, UnknownName
from workbench.core.knobs import Knob


class RunControl:
    """Shared by the thread that runs the attack and the one that takes commands.

    Args:
        knobs: what the attack declares; only live ones may change.
        values: their starting values.
    """

    def __init__(self, knobs: Mapping[str, Knob] | None = None, values: Mapping[str, Any] | None = None) -> None:
        self._knobs, self._values = dict(knobs or {}), dict(values or {})
        self._change = threading.Condition()
        self._paused = self._stopped = False
        self._steps = 0
        self._news: list[dict[str, Any]] = []

    def value(self, name: str, default: Any) -> Any:
        return self._values.get(name, default)

    def set(self, name: str, value: Any) -> None:
        """Change a live knob; raises `UnknownName` or `KnobError`."""
        if name not in self._knobs:
            raise UnknownName("knob", name, self._knobs)
        if not self._knobs[name].live:
            live = [k for k, knob in self._knobs.items() if knob.live]
            raise KnobError(f"{name} cannot change while a run is going; live knobs are: {', '.join(live) or 'none'}.")
        parsed = self._knobs[name].parse(value)
        with self._change:
            self._values[name] = parsed
            self._news.append({"kind": "knob", "name": name, "value": parsed})

    def pause(self) -> None:
        with self._change:
            if not self._paused:
                self._paused = True
                self._news.append({"kind": "pause"})

    def resume(self) -> None:
        with self._change:
            if self._paused:
                self._paused, self._steps = False, 0
                self._news.append({"kind": "resume"})
            self._change.notify_all()

    def step(self) -> None:
        """Let a paused run make one more step."""
        with self._change:
            self._steps += 1
            self._change.notify_all()

    def stop(self) -> None:
        with self._change:
            self._stopped = True
            self._change.notify_all()

    @property
    def paused(self) -> bool:
        return self._paused

    @property
    def stopped(self) -> bool:
        return self._stopped

    @property
    def wanted(self) -> bool:
        """Whether the attack should hand over control at its very next step."""
        return self._paused or self._stopped

    def take_news(self) -> list[dict[str, Any]]:
        """Return the events since the last call."""
        with self._change:
            news, self._news = self._news, []
        return news

    def wait(self, seconds: float | None = None) -> None:
        """Return at once, or when a paused run is resumed, stepped or stopped, or after so many seconds."""
        with self._change:
            self._change.wait_for(lambda: not self._paused or self._stopped or self._steps > 0, seconds)
            if self._paused and self._steps:
                self._steps -= 1
