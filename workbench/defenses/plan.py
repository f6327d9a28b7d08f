"""The text that names a defense: ``bido``, ``bido(strength=2)``, ``bido+rounding``, and the weights that go with it.

At most one defense acts at training, one on the output and one at a split. Knobs that have their default value
are left out, so that one defense has one text: it is compared, recorded and part of file names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from workbench.core.errors import Incompatible, UnknownName, UsageError
from workbench.core.knobs import changed_text, configure, knobs_of, values_of
from workbench.core.records import UNDEFENDED, TrainedUnder
from workbench.defenses.base import DEFENSES, Defense, Stage

WHEN = {"training": "at training", "output": "on the output", "split": "at a split"}
PART = re.compile(r"([\w-]+)(?:\(([^()]*)\))?")


@dataclass(frozen=True)
class Part:
    """One configured defense."""

    key: str
    defense: Defense

    @classmethod
    def parse(cls, text: str) -> Part:
        """Return the part that reads ``key`` or ``key(knob=value,knob=value)``."""
        found = PART.fullmatch(text.strip())
        if found is None:
            raise UsageError(
                f"'{text}' does not name a defense. Write, for instance, bido, bido(strength=2) or bido+rounding."
            )
        values = {}
        for pair in filter(None, (found[2] or "").split(",")):
            name, sign, value = pair.partition("=")
            if not sign:
                raise UsageError(f"'{pair.strip()}' in '{text}' has no value. Write it as {found[1]}(knob=value).")
            values[name.strip()] = value.strip()
        return cls(found[1], configure(DEFENSES[found[1]], values))

    @property
    def stage(self) -> Stage:
        """When it acts."""
        return DEFENSES.entry(self.key).info.stage

    @property
    def title(self) -> str:
        return DEFENSES.entry(self.key).title

    @property
    def changed(self) -> dict[str, str]:
        """The knobs that do not have their default value, as text."""
        return changed_text(self.defense)

    def __str__(self) -> str:
        knobs = ",".join(f"{name}={value}" for name, value in self.changed.items())
        return f"{self.key}({knobs})" if knobs else self.key

    @property
    def file(self) -> str:
        """The part as file names have it: without brackets, ``bido,strength=2``."""
        return ",".join([self.key, *(f"{name}={value}" for name, value in self.changed.items())])


@dataclass(frozen=True)
class Plan:
    """Everything that is done in a target's defense."""

    training: Part | None = None
    output: Part | None = None
    split: Part | None = None

    @classmethod
    def of(cls, text: str) -> Plan:
        """Return the plan that a text names.

        Raises:
            UsageError: the text is malformed.
            UnknownName, KnobError: no such defense or knob, or a value out of range.
            Incompatible: two parts act at the same stage.
        """
        plan = cls()
        for part in map(Part.parse, text.split("+")):
            if part.stage == "none":
                continue
            if (other := getattr(plan, part.stage)) is not None:
                when = WHEN[part.stage]
                raise Incompatible(
                    [
                        f"'{other.key}' and '{part.key}' both act {when}. Choose one of them; a defense at "
                        "training goes together with one on the output."
                    ]
                )
            plan = replace(plan, **{part.stage: part})
        return plan

    @property
    def parts(self) -> list[Part]:
        return [part for part in (self.training, self.output, self.split) if part is not None]

    def __str__(self) -> str:
        return "+".join(map(str, self.parts)) or "none"

    @property
    def title(self) -> str:
        """The plan in words, such as ``"BiDO (strength=2) + Rounding"``."""
        return (
            " + ".join(
                part.title + (f" ({', '.join(f'{k}={v}' for k, v in part.changed.items())})" if part.changed else "")
                for part in self.parts
            )
            or DEFENSES.entry("none").title
        )

    @property
    def trained_under(self) -> TrainedUnder:
        """What names of weights know of this plan; outputs do not change the classifier."""
        return TrainedUnder(str(self.training), f"-{self.training.file}") if self.training else UNDEFENDED

    def turned(self, knobs: Mapping[str, Any]) -> Plan:
        """Return the plan with other knob values; each goes to the first part that declares it.

        Raises:
            UnknownName, KnobError.
        """
        plan = self
        for name, value in knobs.items():
            for stage in WHEN:
                part = getattr(plan, stage)
                if part is not None and name in knobs_of(type(part.defense)):
                    turned = configure(type(part.defense), {**values_of(part.defense), name: value})
                    plan = replace(plan, **{stage: Part(part.key, turned)})
                    break
            else:
                known = [k for part in self.parts for k in knobs_of(type(part.defense))]
                raise UnknownName(f"knob of the defense '{self}'", name, known)
        return plan


def under(defense: str) -> TrainedUnder:
    """Return what names of weights know of the defense that a text names; raises as `Plan.of` does."""
    return Plan.of(defense).trained_under
