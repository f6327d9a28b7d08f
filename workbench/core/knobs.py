"""Knobs: hyper-parameters that declare themselves once.

A knob is a dataclass field. Its metadata feeds the interface's controls, the command line's
``--set name=value`` and the record of a run; nobody writes any of these by hand.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

from workbench.core.errors import KnobError, UnknownName

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Knob:
    """One declared hyper-parameter.

    Attributes:
        kind: `int`, `float`, `bool` or `str`.
        live: may change while a run is going; the attack then reads it from its control.
    """

    name: str
    kind: type
    default: Any
    help: str
    lo: float | None = None
    hi: float | None = None
    log: bool = False
    choices: Mapping[str, str] | None = None
    live: bool = False
    unit: str = ""

    def parse(self, value: Any) -> Any:
        """Return `value` as this knob's type; raises `KnobError` saying what is allowed."""
        if self.choices is not None:
            if not isinstance(value, str) or value not in self.choices:
                raise KnobError(f"{self.name}={value!r} is not one of: {', '.join(self.choices)}.")
            return value
        if self.kind is bool:
            if isinstance(value, str) and value.lower() in ("true", "1", "yes", "on"):
                return True
            if isinstance(value, str) and value.lower() in ("false", "0", "no", "off"):
                return False
            if isinstance(value, bool):
                return value
            raise KnobError(f"{self.name}={value!r} is not a truth value; use true or false.")
        if self.kind is str:
            return str(value)
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise KnobError(f"{self.name}={value!r} is not a number; {self.allowed()}.") from None
        if not math.isfinite(number) or (self.kind is int and number != int(number)):
            raise KnobError(
                f"{self.name}={value} is not {'a whole' if self.kind is int else 'a finite'} number; {self.allowed()}."
            )
        if self.lo is not None and self.hi is not None and not self.lo <= number <= self.hi:
            raise KnobError(f"{self.name}={value} is out of range; {self.allowed()}.")
        return self.kind(number)

    def allowed(self) -> str:
        return f"allowed: {self.lo:g} to {self.hi:g}" if self.lo is not None else "any value"


def knob(
    default: Any,
    lo: float | None = None,
    hi: float | None = None,
    *,
    help: str,
    log: bool = False,
    choices: Mapping[str, str] | None = None,
    live: bool = False,
    unit: str = "",
) -> Any:
    """Declare a dataclass field that the interface, the command line and the record all know.

    Args:
        lo, hi: inclusive range; required for numbers.
        choices: allowed values of a text knob, each with its label.
        unit: what the number counts, such as ``"steps"``.
    """
    if isinstance(default, (int, float)) and not isinstance(default, bool) and (lo is None or hi is None):
        raise ValueError("a numeric knob needs lo and hi")
    return dataclasses.field(
        default=default,
        metadata={"knob": dict(lo=lo, hi=hi, log=log, choices=choices, live=live, help=help, unit=unit)},
    )


def knobs_of(cls: type) -> dict[str, Knob]:
    """Return the knobs that a dataclass declares, in order of declaration."""
    hints = get_type_hints(cls)
    return {
        f.name: Knob(f.name, hints[f.name], f.default, **f.metadata["knob"])
        for f in dataclasses.fields(cls)
        if "knob" in f.metadata
    }


def configure(cls: type[T], values: Mapping[str, Any] | None = None) -> T:
    """Build a dataclass from knob values, each parsed and range-checked.

    Raises:
        UnknownName: a value for a knob that does not exist.
        KnobError: a value of the wrong type or out of range.
    """
    declared = knobs_of(cls)
    for name in values or {}:
        if name not in declared:
            raise UnknownName(f"knob of {cls.__name__}", name, declared)
    return cls(**{name: declared[name].parse(value) for name, value in (values or {}).items()})


def values_of(instance: Any) -> dict[str, Any]:
    """Return the current value of every knob of a configured instance."""
    return {name: getattr(instance, name) for name in knobs_of(type(instance))}


def changed_text(instance: Any) -> dict[str, str]:
    """Return the knobs of a configured instance that do not have their default value, as short text."""
    declared = knobs_of(type(instance))
    return {name: _text(value) for name, value in values_of(instance).items() if value != declared[name].default}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.10g}" if isinstance(value, float) else str(value)
