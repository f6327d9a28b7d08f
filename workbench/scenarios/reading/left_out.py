"""What was passed over while pictures were read: counted by reason, and named with its path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

NAMED = 1000  # paths kept of each reason; all are counted
SAID = 20  # paths named in one message

# Reasons that come without being anybody's mistake.
HIDDEN = "hidden files and sidecars"
OTHER = "files of other kinds"


def printable(name: str) -> str:
    """Return a path in a form that any terminal takes: bytes that are no UTF-8 and control characters are spelt out."""
    text = name.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@dataclass
class Passed:
    """Files of one reason: how many, and the first of their paths, each with what it was about it, or ""."""

    count: int = 0
    files: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class PassedOver:
    """Files that were not taken as pictures.

    Attributes:
        broken: pictures that cannot be read, each with why; a person should look at these.
        quiet: reason to files that nobody expects to be read.
    """

    broken: Passed = field(default_factory=Passed)
    quiet: dict[str, Passed] = field(default_factory=dict)

    def add(self, name: str, why: str = OTHER) -> None:
        """Note a file that is passed over for one of the ordinary reasons."""
        _note(self.quiet.setdefault(why, Passed()), name, "")

    def add_broken(self, name: str, why: str) -> None:
        """Note a picture that cannot be read."""
        _note(self.broken, name, why)

    def __len__(self) -> int:
        return self.broken.count + sum(p.count for p in self.quiet.values())

    def broken_text(self, most: int = SAID) -> str:
        """Return the unreadable pictures in words, by path and reason; "" where there is none."""
        if not self.broken.count:
            return ""
        named = "; ".join(f"{name} ({why})" for name, why in self.broken.files[:most])
        more = self.broken.count - min(most, len(self.broken.files))
        noun = "picture" if self.broken.count == 1 else "pictures"
        return f"{self.broken.count:,} {noun} cannot be read: {named}" + (f"; and {more:,} more" if more else "")

    def sentences(self) -> Iterator[str]:
        """Yield what was left out, a sentence for each reason."""
        if text := self.broken_text():
            yield f"{text}. Go on without {'it' if self.broken.count == 1 else 'them'}, or replace {'it' if self.broken.count == 1 else 'them'}."
        for why, passed in self.quiet.items():
            named = ", ".join(name for name, _ in passed.files[:3])
            yield f"{passed.count:,} {why} were passed over: {named}{' …' if passed.count > 3 else ''}."

    def to_json(self) -> dict[str, object]:
        """Return all of it as plain data."""
        return {
            "broken": {"count": self.broken.count, "files": [list(f) for f in self.broken.files]},
            "passed_over": {
                why: {"count": p.count, "files": [name for name, _ in p.files]} for why, p in self.quiet.items()
            },
        }


def _note(passed: Passed, name: str, why: str) -> None:
    passed.count += 1
    if len(passed.files) < NAMED:
        passed.files.append((printable(name), why))
