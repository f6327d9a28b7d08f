"""What a command is: a class with its arguments and what it does."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Protocol, TypeVar

from workbench.core.errors import UsageError
from workbench.core.registry import Info, Registry


class Command(Protocol):
    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None: ...

    @staticmethod
    def run(options: argparse.Namespace) -> int | None: ...


COMMANDS: Registry[type[Command], Info] = Registry("command", "workbench.commands")

CommandT = TypeVar("CommandT", bound=Command)


def command(key: str, title: str, order: int = 100) -> Callable[[type[CommandT]], type[CommandT]]:
    """Register a command; its title is its line of help."""

    def keep(cls: type[CommandT]) -> type[CommandT]:
        COMMANDS.register(Info(key=key, title=title, order=order))(cls)
        return cls

    return keep


def assignments(pairs: list[str]) -> dict[str, str]:
    """Return ``["steps=10"]`` as a dict; raises `UsageError` for a pair without a sign."""
    values = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign:
            raise UsageError(f"--set {pair}: write it as --set knob=value.")
        values[name.strip()] = value.strip()
    return values
