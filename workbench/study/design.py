"""What a study asks, fixed before anybody answers.

The default question is that of Ho, Koh, Nguyen, Binder and Cheung, "Revisiting Model Inversion Evaluation: From Misleading
Standards to Reliable Privacy Assessment", arXiv 2505.03519: one picture, four photographs of a person, the same or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from workbench.core.errors import UsageError
from workbench.core.records import seed_problem

MOST_TRIALS = 400  # of one rater
MOST_RUNS = 12
LONGEST_TITLE = 80
SKIP = "skip"  # the answer that tells nothing; never right and never wrong


class Task(StrEnum):
    """What a rater is asked."""

    SAME = "same"  # does the picture show the same person as these four photographs
    LINE_UP = "line-up"  # which of these people does it show, or none
    CLOSER = "closer"  # which of two reconstructions is closer to these photographs
    REAL = "real"  # how real does it look, 1 to 5

    @property
    def label(self) -> str:
        """How a person calls it."""
        return {
            "same": "Same person as these four",
            "line-up": "Which of five",
            "closer": "Which is closer",
            "real": "How real, 1 to 5",
        }[self.value]


class Kind(StrEnum):
    """What a trial's picture is, which no rater is told."""

    RECONSTRUCTION = "reconstruction"
    HELD_OUT = "held-out photograph"  # positive control
    SAMPLE = "random sample"  # negative control: of the prior, made for nobody
    OTHER_RECONSTRUCTION = "another's reconstruction"  # negative control
    OTHER_PHOTOGRAPH = "another's photograph"  # negative control, that of the published protocol
    CATCH = "catch"  # has one right answer that everybody sees who looks

    @property
    def negative(self) -> bool:
        """Whether it shows somebody else than the person asked about, or nobody."""
        return self in (Kind.SAMPLE, Kind.OTHER_RECONSTRUCTION, Kind.OTHER_PHOTOGRAPH)


@dataclass(frozen=True)
class Rule:
    """Whose answers are left out; fixed with the study.

    Attributes:
        catches_right: least share of the catch trials that must be right, 0 to 1; a skipped one is not right.
        median_ms: least median time of an answer, in ms: who is faster has not looked.
    """

    catches_right: float = 0.75
    median_ms: int = 700

    def sentence(self) -> str:
        """Return the rule as a person reads it."""
        return (
            f"A rater is left out who answers fewer than {100 * self.catches_right:.0f} % of the catch trials right, or "
            f"half of all trials in less than {self.median_ms / 1000:g} s."
        )


@dataclass(frozen=True)
class Design:
    """A study as it is frozen.

    Attributes:
        scenario: whose private photographs are shown.
        runs: ids of runs in the store; () where a folder of pictures is judged.
        task: the question.
        seed: of everything that is drawn: references, distractors, controls, every rater's order.
        trials: reconstructions that one rater is shown, at most.
        positives, negatives, catches: trials of each kind that one rater is shown.
        repeats: share of a rater's trials asked once more with sides swapped, 0 to 1.
        references: photographs beside the picture.
        choices: people in a line-up.
        least_ms: how long pictures are seen before an answer counts, in ms.
        rule: whose answers are left out.
    """

    scenario: str
    runs: tuple[str, ...] = ()
    task: Task = Task.SAME
    title: str = ""
    seed: int = 0
    trials: int = 24
    positives: int = 3
    negatives: int = 3
    catches: int = 4
    repeats: float = 0.1
    references: int = 4
    choices: int = 5
    least_ms: int = 400
    rule: Rule = field(default_factory=Rule)

    def __post_init__(self) -> None:
        """Refuse what cannot be asked; raises `UsageError`."""
        object.__setattr__(self, "runs", tuple(dict.fromkeys(self.runs)))
        for problem in self._problems():
            raise UsageError(problem)

    def _problems(self) -> list[str]:
        limits = {
            "trials": (1, MOST_TRIALS),
            "positives": (0, 40),
            "negatives": (0, 40),
            "catches": (0, 40),
            "references": (1, 8),
            "choices": (2, 9),
            "least_ms": (0, 10_000),
        }
        found = [
            f"{name}={getattr(self, name)} is out of range; allowed: {low} to {high}."
            for name, (low, high) in limits.items()
            if not low <= getattr(self, name) <= high
        ]
        if not 0 <= self.repeats <= 0.5:
            found.append(f"repeats={self.repeats} is out of range; allowed: 0 to 0.5 of a rater's trials.")
        if not 0 <= self.rule.catches_right <= 1 or not 0 <= self.rule.median_ms <= 10_000:
            found.append("The rule's share of catch trials goes from 0 to 1, its median time from 0 to 10000 ms.")
        if len(self.runs) > MOST_RUNS:
            found.append(f"{len(self.runs)} runs are more than one study compares; choose at most {MOST_RUNS}.")
        if len(self.title) > LONGEST_TITLE:
            found.append(f"The title has {len(self.title)} letters; allowed: {LONGEST_TITLE}.")
        if problem := seed_problem(self.seed):
            found.append(problem)
        return found

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, held: Mapping[str, Any]) -> Design:
        """Return a design from a record or a form; raises `UsageError` for what is no design."""
        try:
            asked = dict(held)
            known = {name: asked[name] for name in cls.__dataclass_fields__ if name in asked}
            if unknown := sorted(asked.keys() - known.keys()):
                raise UsageError(f"A study has no '{unknown[0][:40]}'; it has {', '.join(cls.__dataclass_fields__)}.")
            whole = [n for n in known if cls.__dataclass_fields__[n].type == "int"]
            known |= {name: int(known[name]) for name in whole}
            known |= {name: str(known[name]).strip() for name in ("title", "scenario") if name in known}
            known["runs"] = tuple(map(str, known.get("runs", ())))
            known["task"] = Task(known.get("task", Task.SAME))
            known["repeats"] = float(known.get("repeats", 0.1))
            if isinstance(known.get("rule"), Mapping):
                rule = known["rule"]
                known["rule"] = Rule(float(rule["catches_right"]), int(rule["median_ms"]))
            return cls(**known)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            tasks = ", ".join(Task)
            raise UsageError(
                f"This is no study ({str(error)[:80]}). A task is one of {tasks}; counts are whole."
            ) from None
