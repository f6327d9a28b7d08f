"""Raters who are programs, marked as such: to show how a study works, and for tests. They say nothing about people."""

from __future__ import annotations

import random

from workbench.study.answers import Rater
from workbench.study.design import SKIP, Kind, Task
from workbench.study.plan import Trial
from workbench.study.session import Study
from workbench.study.stimuli import FIRST, SAME, SECOND

CARELESS = 0.1  # of the raters answer without looking
SURE = {
    Kind.CATCH: 0.98,
    Kind.HELD_OUT: 0.9,
    Kind.SAMPLE: 0.93,
    Kind.OTHER_RECONSTRUCTION: 0.9,
    Kind.OTHER_PHOTOGRAPH: 0.95,
}


def simulate(study: Study, raters: int, seed: int = 0) -> list[Rater]:
    """Let `raters` programs go through a study; returns them.

    One that looks answers controls right as often as `SURE` says, and sees the person in a reconstruction with a chance
    that is the picture's own, drawn once. One in ten presses anything, fast.
    """
    rng = random.Random(f"{study.design.seed} {seed} simulated")
    ease = [rng.betavariate(0.6, 1.2) for _ in study.stimuli]
    came = []
    for _ in range(raters):
        rater = study.join(simulated=True)
        careless = rng.random() < CARELESS
        for trial in study.trials(rater.number):
            pressed = pressed_by(study, trial, ease, careless, rng)
            looked = rng.lognormvariate(0, 0.4) * (150 if careless else 1800)  # ms
            study.answer(rater, trial.index, pressed, study.design.least_ms + looked)
        came.append(rater)
    return came


def pressed_by(study: Study, trial: Trial, ease: list[float], careless: bool, rng: random.Random) -> str:
    """Return what a program presses in a trial."""
    stimulus, choices = study.stimuli[trial.stimulus], study.choices(trial)
    if careless:
        return rng.choice(choices)[0]
    if rng.random() < 0.02 and stimulus.kind is not Kind.CATCH:
        return SKIP
    if stimulus.right:
        wanted = set(stimulus.right)
    elif study.design.task is Task.REAL:
        level = 4.5 if stimulus.kind is Kind.HELD_OUT else 1 + 4 * ease[stimulus.id]
        return str(min(5, max(1, round(rng.gauss(level, 0.7)))))
    elif study.design.task is Task.CLOSER:
        wanted = {FIRST if rng.random() < ease[stimulus.id] else SECOND}
        return next(pressed for pressed, meant in choices if meant in wanted)
    else:
        wanted = {str(stimulus.cls), SAME}
    sure = SURE.get(stimulus.kind, ease[stimulus.id])
    right = [pressed for pressed, meant in choices if meant in wanted]
    wrong = [pressed for pressed, meant in choices if meant not in wanted]
    return rng.choice(right if right and (rng.random() < sure or not wrong) else wrong)
