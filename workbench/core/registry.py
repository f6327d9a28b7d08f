"""Registries: a new file in a package registers what it holds, and nothing else changes.

What lives in somebody's own repository is found as well: a module that an installed distribution names in the entry-point
group ``mi_workbench`` is imported, and registers what it holds by the same decorators.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from workbench.core.errors import UnknownName

T = TypeVar("T")
InfoT = TypeVar("InfoT", bound="Info")

GROUP = "mi_workbench"  # of entry points

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Info:
    """What anything that is registered says of itself; each registry has a subclass for what its kind adds.

    Attributes:
        key: its name in commands, files and records.
        title: its name for people.
        order: where it stands in menus, lowest first; those of one order stand by key.
    """

    key: str
    title: str
    order: int = 100


@dataclass(frozen=True)
class Entry(Generic[T, InfoT]):
    """What was registered, with what it says of itself."""

    item: T
    info: InfoT

    @property
    def key(self) -> str:
        return self.info.key

    @property
    def title(self) -> str:
        return self.info.title


class Registry(Generic[T, InfoT]):
    """Names to things of one kind, filled by importing every module of some packages once.

    Args:
        kind: singular noun for messages, such as ``"attack"``.
        packages: dotted names of the packages whose modules register themselves.
    """

    def __init__(self, kind: str, *packages: str) -> None:
        self.kind, self.packages = kind, packages
        self._entries: dict[str, Entry[T, InfoT]] = {}
        self._loaded = self._loading = False
        self._looks: list[Callable[[Registry[T, InfoT]], None]] = []
        self._lock = threading.RLock()  # who asks while another thread still loads waits for the whole of it

    def register(self, info: InfoT) -> Callable[[T], T]:
        """Return a decorator that files what it decorates under ``info.key`` and returns it unchanged.

        Raises:
            ValueError: the key is taken; both modules are named.
        """

        def keep(item: T) -> T:
            here = getattr(item, "__module__", "?")
            known = self._entries.get(info.key)
            if known is not None and (there := getattr(known.item, "__module__", "?")) != here:
                raise ValueError(f"{self.kind} '{info.key}' is registered by both {there} and {here}")
            self._entries[info.key] = Entry(item, info)
            return item

        return keep

    def also(self, look: Callable[[Registry[T, InfoT]], None]) -> None:
        """Call `look` whenever everything is asked for, or a name that is not known: it registers what has come since."""
        self._looks.append(look)

    def known(self) -> list[Entry[T, InfoT]]:
        """Return what is registered so far; nothing is imported and nothing looked for."""
        return list(self._entries.values())

    def forget(self, key: str) -> None:
        """Take what is registered under `key` out again, if anything is."""
        self._entries.pop(key, None)

    def _look(self) -> None:
        self.load()
        with self._lock:
            for look in self._looks:
                look(self)

    def load(self) -> None:
        """Import every module of the packages and every extension, once; after a failure, the next call tries again."""
        if self._loaded:
            return
        with self._lock:
            if self._loaded or self._loading:  # a module being loaded asks what is there so far
                return
            self._loading = True
            try:
                for name in self.packages:
                    for module in pkgutil.iter_modules(importlib.import_module(name).__path__):
                        importlib.import_module(f"{name}.{module.name}")
                load_extensions()
                self._loaded = True
            finally:
                self._loading = False

    def entry(self, key: str) -> Entry[T, InfoT]:
        """Return the entry of `key`; raises `UnknownName` with the nearest match."""
        self.load()
        if key not in self._entries:
            self._look()
        try:
            return self._entries[key]
        except KeyError:
            raise UnknownName(self.kind, key, self._entries) from None

    def __getitem__(self, key: str) -> T:
        return self.entry(key).item

    def __contains__(self, key: object) -> bool:
        self.load()
        if key not in self._entries:
            self._look()
        return key in self._entries

    def __iter__(self) -> Iterator[Entry[T, InfoT]]:
        self._look()
        return iter(sorted(self._entries.values(), key=lambda e: (e.info.order, e.key)))

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
