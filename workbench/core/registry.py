"""Registries: a new file in a package registers what it holds, and nothing else changes."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from workbench.core.errors import UnknownName

T = TypeVar("T")


@dataclass(frozen=True)
class Entry(Generic[T]):
    """What was registered under a key, with what it says of itself."""

    key: str
    title: str
    item: T
    info: Mapping[str, Any] = field(default_factory=dict)


class Registry(Generic[T]):
    """Names to things of one kind, filled by importing every module of a package once.

    Args:
        kind: singular noun for messages, such as ``"attack"``.
        package: dotted name of the package whose modules register themselves.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind, self.package = kind, package
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
        """Import every module of the package, once."""
        if not self._loaded:
            self._loaded = True
            package = importlib.import_module(self.package)
            for module in pkgutil.iter_modules(package.__path__):
                importlib.import_module(f"{self.package}.{module.name}")

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
