"""One study as its raters go through it: what is asked next, what an answer means, how far somebody is."""

from __future__ import annotations

import threading
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from workbench.core.errors import StoreError, UsageError
from workbench.study.answers import AnswerStore, Rater, RaterAnswer
from workbench.study.design import SKIP, Kind, Task
from workbench.study.folder import StudyFolder, find
from workbench.study.plan import Planner, Trial
from workbench.study.stimuli import FIRST, NONE, OTHER, SAME, SECOND, Stimulus

LONGEST_MS = 3_600_000  # an hour; who comes back later has not looked for so long


class Study:
    """A study that is open: frozen questions and the store of answers. Any number of threads may use it."""

    def __init__(self, folder: StudyFolder) -> None:
        self.folder, self.design = folder, folder.design
        self.stimuli = folder.stimuli
        self.answers = AnswerStore(folder.path)
        self._planner = Planner(self.design, self.stimuli)
        self.trials = lru_cache(maxsize=256)(self._planner.trials)  # by the rater's number

    @property
    def id(self) -> str:
        return self.folder.id

    @property
    def length(self) -> int:
        """Trials of a rater, repeats among them."""
        return len(self.trials(0))

    def close(self) -> None:
        self.answers.close()

    def question(self) -> str:
        """Return what is asked, in a sentence."""
        noun = self.folder.record["noun"]
        count = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine"}
        beside = count[self.design.references]
        return {
            Task.SAME: f"Does picture A show the same {noun} as the {beside} pictures of set B?",
            Task.LINE_UP: f"Which of these does picture A show the same {noun} as?",
            Task.CLOSER: f"Which of the two is closer to the {noun} in set B?",
            Task.REAL: "How real does this picture look?",
        }[self.design.task]

    def join(self, *, simulated: bool = False) -> Rater:
        """Return a new rater; raises `Ended`, `UsageError`."""
        return self.answers.join(simulated=simulated)

    def rater(self, key: str) -> Rater:
        """Return a rater by id; raises `StoreError` for one who never came or was deleted."""
        found = self.answers.rater(key)
        if found is None:
            raise StoreError("These answers were deleted, or were never here. Open the study's link to start anew.")
        return found

    def choices(self, trial: Trial) -> list[tuple[str, str]]:
        """Return what may be pressed in a trial and what each means, skipping left out."""
        stimulus = self.stimuli[trial.stimulus]
        match self.design.task:
            case Task.SAME:
                return [(SAME, SAME), (OTHER, OTHER)]
            case Task.REAL:
                return [(str(i), str(i)) for i in range(1, 6)]
            case Task.CLOSER:
                return [("left", SECOND if trial.swapped else FIRST), ("right", FIRST if trial.swapped else SECOND)]
            case Task.LINE_UP:
                people = [str(stimulus.people[place]) for place in trial.order]
                return [*((str(i + 1), person) for i, person in enumerate(people)), ("0", NONE)]

    def shown(self, trial: Trial) -> tuple[list[int], list[int]]:
        """Return the numbers of the pictures asked about, left first, and of those beside them, in their places."""
        stimulus = self.stimuli[trial.stimulus]
        asked = list(stimulus.pictures)
        if self.design.task is Task.CLOSER and trial.swapped:
            asked.reverse()
        return asked, [stimulus.beside[place] for place in trial.order]

    def trial(self, rater: Rater, index: int) -> Trial:
        """Return a rater's trial; raises `UsageError` where there is none."""
        trials = self.trials(rater.number)
        if not 0 <= index < len(trials):
            raise UsageError(f"There is no question {index}; there are {len(trials)}.")
        return trials[index]

    def progress(self, rater: Rater) -> dict[str, Any]:
        """Return how far a rater is: trials done, of how many, whether the study has ended, and the trial that is next."""
        trials, done = self.trials(rater.number), self.answers.done(rater.id)
        return {
            "done": done,
            "of": len(trials),
            "ended": self.answers.ended() is not None,
            "trial": self.described(trials[done]) if done < len(trials) else None,
            "next": self.described(trials[done + 1]) if done + 1 < len(trials) else None,
        }

    def described(self, trial: Trial) -> dict[str, Any]:
        """Return what the page draws a trial from: how many pictures, where, and what may be pressed. Nothing of what it is."""
        asked, beside = self.shown(trial)
        return {
            "index": trial.index,
            "asked": len(asked),
            "beside": len(beside),
            "right": trial.swapped and self.design.task is Task.SAME,  # the picture stands right of the photographs
            "choices": [pressed for pressed, _ in self.choices(trial)],
        }

    def picture(self, rater: Rater, index: int, slot: int) -> bytes:
        """Return what stands in a place of a trial as PNG: pictures asked about first, then those beside them.

        Raises:
            UsageError: it is none of the rater's trials so far, or has no such place.
        """
        if index > self.answers.done(rater.id) + 1:
            raise UsageError("That question comes later.")
        asked, beside = self.shown(self.trial(rater, index))
        if not 0 <= slot < len(asked) + len(beside):
            raise UsageError(f"Question {index} has no picture {slot}.")
        return self.folder.picture([*asked, *beside][slot])

    def answer(self, rater: Rater, index: int, pressed: str, rt: float) -> None:
        """Keep an answer; when this returns, it is on the disk.

        Args:
            pressed: one of the trial's choices, or "skip".
            rt: ms from the pictures' showing.

        Raises:
            Ended: the study is over.
            UsageError: there is no such choice, it came too fast, or another question is the next one.
        """
        trial, done = self.trial(rater, index), self.answers.done(rater.id)
        meant = {**dict(self.choices(trial)), SKIP: SKIP}.get(pressed)
        if meant is None:
            raise UsageError(f"'{pressed[:20]}' is no answer to this question.")
        if not self.design.least_ms <= rt <= LONGEST_MS * 1000:
            raise UsageError(f"Look for at least {self.design.least_ms / 1000:g} s.")
        if index > done:
            raise UsageError(f"Question {done + 1} comes first.")
        when = min(round(rt), LONGEST_MS)
        self.answers.add(
            RaterAnswer(
                rater.id, index, trial.stimulus, trial.repeat_of, trial.swapped, meant, pressed, when, time.time()
            )
        )

    def right(self, stimulus: Stimulus, response: str) -> bool | None:
        """Return whether an answer is right; None where no answer is, or where it was skipped, save for catch trials."""
        if not stimulus.right or (response == SKIP and stimulus.kind is not Kind.CATCH):
            return None
        return response in stimulus.right


class Studies:
    """Every study of a run store; each is opened once in a process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._open: dict[str, Study] = {}
        self._opening = threading.Lock()

    def __getitem__(self, study: str) -> Study:
        """Return a study by its id; raises `StoreError` if it is not here."""
        if study not in self._open:
            folder = find(self.root, study)
            with self._opening:
                if study not in self._open:
                    self._open[study] = Study(folder)
        return self._open[study]

    def close(self) -> None:
        for study in self._open.values():
            study.close()
        self._open.clear()
