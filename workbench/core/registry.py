"""Registries: a new file in a package registers what it holds, and nothing else changes.

What lives in somebody's own repository is found as well: a module that an installed distribution names in the entry-point
group ``mi_workbench`` is imported, and registers what it holds by the same decorators.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from workbench.core.errors import UnknownName

T = TypeVar("T")

GROUP = "mi_workbench"  # of entry points

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry(Generic[T]):
    """What was registered under a key, with what it says of itself."""

    key: str
    title: str
    item: T
    info: Mapping[str, Any] = field(default_factory=dict)


class Registry(Generic[T]):
    """Names to things of one kind, filled by importing every module of some packages once.

    Args:
        kind: singular noun for messages, such as ``"attack"``.
        packages: dotted names of the packages whose modules register themselves.
    """

    def __init__(self, kind: str, *packages: str) -> None:
        self.kind, self.packages = kind, packages
        self._entries: dict[str, Entry[T]] = {}
        self._loaded = False

    def register(self, key: str, *, title: str, **info: Any) -> Callable[[Any], Any]:
        """Return a decorator that files what it decorates under `key` and returns it unchanged.

        Raises:
            ValueError: the key is taken; both modules are named.
        """

        def keep(item: Any) -> Any:
            here = getattr(item, "__module__", "?")
            if key in self._entries and getattr(self._entries[key].item, "__module__", "?") != here:
                there = self._entries[key].item.__module__
                raise ValueError(f"{self.kind} '{key}' is registered by both {there} and {here}")
            self._entries[key] = Entry(key, title, item, MappingProxyType(info))
            return item

        return keep

    def load(self) -> None:
        """Import every module of the packages and every extension, once."""
        if not self._loaded:
            self._loaded = True
            for name in self.packages:
                for module in pkgutil.iter_modules(importlib.import_module(name).__path__):
                    importlib.import_module(f"{name}.{module.name}")
            load_extensions()

    def entry(self, key: str) -> Entry[T]:
        """Return the entry of `key`; raises `UnknownName` with the nearest match."""
        self.load()
        try:
            return self._entries[key]
        except KeyError:
            raise UnknownName(self.kind, key, self._entries) from None

    def __getitem__(self, key: str) -> T:
        return self.entry(key).item

    def __contains__(self, key: object) -> bool:
        self.load()
        return key in self._entries

    def __iter__(self) -> Iterator[Entry[T]]:
        self.load()
        return iter(sorted(self._entries.values(), key=lambda e: (e.info.get("order", 100), e.key)))

    def keys(self) -> list[str]:
        return [e.key for e in self]


@cache
def load_extensions() -> tuple[str, ...]:
    """Import what installed distributions offer, once; return the names of the entry points that could not be imported.

    An extension that fails costs only itself: its name and reason are logged.
    """
    failed = []
    for point in entry_points(group=GROUP):
        try:
            point.load()
        except Exception as error:
            failed.append(point.name)
            log.warning(
                "the extension '%s' (%s) cannot be used: %s: %s", point.name, point.value, type(error).__name__, error
            )
    return tuple(failed)
