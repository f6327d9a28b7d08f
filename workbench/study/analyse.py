"""What a study found: for each run, each control and each judge, from the answers of everybody who is not left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from workbench.core.intervals import mean_interval, share_interval, wilson
from workbench.metrics import METRICS
from workbench.study.design import Kind, Task
from workbench.study.records import Record, left_out, records_of
from workbench.study.session import Study
from workbench.study.statistics.alpha import Level, alpha, alpha_interval, percent_agreement
from workbench.study.statistics.confusion import confusion
from workbench.study.statistics.correlation import correlation
from workbench.study.statistics.detection import detection
from workbench.study.statistics.preference import Game, bradley_terry, bradley_terry_intervals, holm, pairs
from workbench.study.stimuli import PHOTOGRAPH, SAME, SAMPLE, SECOND

Found = dict[str, Any]
DRAWS = 500  # of the bootstrap over raters and pictures


def analyse(study: Study) -> Found:
    """Return everything a study found as plain data; what cannot be said yet is None, and `notes` says why."""
    every = records_of(study)
    excluded = left_out(study, every)
    kept = [record for record in every if record.rater.id not in excluded]
    first = [record for record in kept if record.answer.repeat_of is None]
    task = study.design.task
    found: Found = {
        "study": study.id,
        "title": study.folder.title,
        "task": task.value,
        "scenario": study.design.scenario,
        "rule": study.design.rule.sentence(),
        "raters": len({record.rater.id for record in every}),
        "simulated": len({record.rater.id for record in every if record.rater.simulated}),
        "left_out": excluded,
        "answers": len(kept),
        "skipped": sum(record.skipped for record in kept),
        "median_rt": float(np.median([record.answer.rt for record in kept])) if kept else None,
        "consistency": consistency(kept),
        "agreement": agreement(first, task),
        "controls": controls(first),
        "titles": {source["run"]: source["title"] for source in study.folder.record["sources"]},
    }
    match task:
        case Task.CLOSER:
            found |= preferences(first)
        case Task.REAL:
            found |= {"opinions": opinions(first)}
        case _:
            found |= recognition(study, first)
    found["notes"] = notes(found, kept)
    return found


def notes(found: Found, kept: list[Record]) -> list[str]:
    """Return a sentence for each thing that the figures must not be read without."""
    said = []
    if found["simulated"]:
        said.append(
            f"{found['simulated']} of {found['raters']} raters are simulated: a program answered. They show how the study "
            "works, and nothing about people."
        )
    if not kept:
        said.append("Nobody's answers count yet.")
    elif found["agreement"]["alpha"] is None:
        said.append("Agreement needs two raters who judged the same picture, and answers that are not all alike.")
    if kept and not any(record.stimulus.kind.negative for record in kept):
        said.append("No negative control was shown, so that there is no d'.")
    return said


def hit(record: Record) -> bool:
    """Return whether a rater saw the person asked about in the picture."""
    return record.answer.response == (SAME if not record.stimulus.people else str(record.stimulus.cls))


def consistency(records: Iterable[Record]) -> Found:
    """Return how often a rater gave a question that came twice the same answer."""
    records = list(records)
    given = {(record.rater.id, record.answer.trial): record for record in records}
    pairs_ = [
        (record, given[record.rater.id, record.answer.repeat_of])
        for record in records
        if record.answer.repeat_of is not None and (record.rater.id, record.answer.repeat_of) in given
    ]
    both = [(a, b) for a, b in pairs_ if not a.skipped and not b.skipped]
    same = sum(a.answer.response == b.answer.response for a, b in both)
    return {"same": same, "n": len(both), "interval": wilson(same, len(both)) if both else None}


def agreement(records: Iterable[Record], task: Task) -> Found:
    """Return Krippendorff's alpha of raters over questions, nominal, or ordinal of how real; controls but no catch trials."""
    level: Level = "ordinal" if task is Task.REAL else "nominal"
    units: dict[int, list[float]] = defaultdict(list)
    values: dict[str, float] = {}
    for record in records:
        if record.stimulus.kind is Kind.CATCH or record.skipped:
            continue
        said = record.answer.response
        value = float(said) if task is Task.REAL else values.setdefault(said, float(len(values)))
        units[record.stimulus.id].append(value)
    judged = list(units.values())
    return {
        "level": level,
        "alpha": alpha(judged, level),
        "interval": alpha_interval(judged, level),
        "percent": percent_agreement(judged),
        "pictures": sum(len(unit) > 1 for unit in judged),
    }


def controls(records: list[Record]) -> list[Found]:
    """Return how each kind of control and the catch trials were answered."""
    found = []
    for kind in (Kind.HELD_OUT, Kind.SAMPLE, Kind.OTHER_RECONSTRUCTION, Kind.OTHER_PHOTOGRAPH, Kind.CATCH):
        own = [record for record in records if record.stimulus.kind is kind and record.right is not None]
        if own:
            right = sum(bool(record.right) for record in own)
            found.append({"kind": kind.value, "right": right, "n": len(own), "interval": wilson(right, len(own))})
    return found


# The same person, and which of five


def recognition(study: Study, records: list[Record]) -> Found:
    """Return what people recognise of each run, beside chance, controls, evaluator and judges."""
    answered = [record for record in records if not record.skipped]
    positive = [hit(r) for r in answered if r.stimulus.kind is Kind.HELD_OUT]
    negative = [hit(r) for r in answered if r.stimulus.kind.negative]
    found: Found = {
        "chance": 1 / study.design.choices if study.design.task is Task.LINE_UP else None,
        "detection": told(detection(sum(positive), len(positive), sum(negative), len(negative))),
        "false_alarms": share([r for r in answered if r.stimulus.kind.negative]),
        "photographs": share([r for r in answered if r.stimulus.kind is Kind.HELD_OUT]),
        "runs": [],
        "correlations": [],
    }
    people, metrics, scores = [], defaultdict(list), defaultdict(list)  # type: ignore[var-annotated]
    titles: dict[str, str] = {}
    sources = study.folder.record["sources"]
    for source in sources:
        of_run = [r for r in answered if r.stimulus.kind is Kind.RECONSTRUCTION and r.stimulus.runs == (source["run"],)]
        shares = seen_share(of_run, len(source["labels"]))
        majority = [None if s is None or s == 0.5 else s > 0.5 for s in shares]
        hits = sum(hit(r) for r in of_run)
        found["runs"].append(
            {
                "run": source["run"],
                "title": source["title"],
                **(share(of_run) or {"share": None, "n": 0, "interval": None, "pictures": 0, "clustered": None}),
                "recognised": sum(bool(m) for m in majority),
                "decided": sum(m is not None for m in majority),
                "detection": told(detection(hits, len(of_run), sum(negative), len(negative))),
                "judges": [
                    {
                        "key": key,
                        "title": source["titles"].get(key, key),
                        "accepts": sum(right),
                        "n": len(right),
                        **asdict(confusion(right, majority)),
                    }
                    for key, right in source["judges"].items()
                ],
                "by_picture": shares,
            }
        )
        titles |= source["titles"]
        people += shares
        for names, held in ((metrics, "metrics"), (scores, "scores")):
            for key in {k for s in sources for k in s[held]}:
                names[key] += source[held].get(key) or [None] * len(shares)
    for kind, names in (("metric", metrics), ("judge", scores)):
        for key, values in sorted(names.items()):
            found["correlations"].append(
                {
                    "kind": kind,
                    "key": key,
                    "title": titles.get(key) or measure(key),
                    **asdict(correlation(values, people)),
                }
            )
    return found


def measure(key: str) -> str:
    """Return what a metric is called, and whether less of it is more leaked: then people's share goes the other way."""
    if key not in METRICS:
        return key
    info = METRICS.entry(key).info
    return info.title if info.best == "higher" else f"{info.title} (lower leaks more)"


def told(found: Any) -> Found | None:
    return None if found is None else asdict(found)


def seen_share(records: list[Record], n: int) -> list[float | None]:
    """Return for each of a run's `n` pictures the share of raters who saw the person in it; None where nobody judged it."""
    votes: dict[int, list[bool]] = defaultdict(list)
    for record in records:
        votes[record.stimulus.candidates[0]].append(hit(record))
    return [sum(votes[i]) / len(votes[i]) if votes[i] else None for i in range(n)]


def share(records: list[Record]) -> Found | None:
    """Return the share of answers that see the person; None without any.

    `interval` is Wilson's, each person asked about counted once; `clustered` draws raters and pictures anew.
    """
    if not records:
        return None
    hits = torch.tensor([float(hit(record)) for record in records])
    classes = torch.tensor([record.stimulus.cls for record in records])
    return {
        "share": hits.mean().item(),
        "n": len(records),
        "pictures": len({record.stimulus.id for record in records}),
        "interval": share_interval(hits, classes),
        "clustered": clustered(records),
    }


def clustered(records: list[Record]) -> tuple[float, float] | None:
    """Return the 95 % interval of the share by drawing raters and pictures anew, both at once; None for a single rater."""
    raters = {r: i for i, r in enumerate(dict.fromkeys(record.rater.id for record in records))}
    shown = {s: i for i, s in enumerate(dict.fromkeys(record.stimulus.id for record in records))}
    if len(raters) < 2 or len(shown) < 2:
        return None
    hits, counts = np.zeros((len(raters), len(shown))), np.zeros((len(raters), len(shown)))
    for record in records:
        at = raters[record.rater.id], shown[record.stimulus.id]
        hits[at] += hit(record)
        counts[at] += 1
    rng, found = np.random.default_rng(0), []
    for _ in range(DRAWS):
        who = rng.multinomial(len(raters), np.full(len(raters), 1 / len(raters)))
        what = rng.multinomial(len(shown), np.full(len(shown), 1 / len(shown)))
        if (n := who @ counts @ what) > 0:
            found.append(float(who @ hits @ what / n))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


# Which is closer


def preferences(records: list[Record]) -> Found:
    """Return how runs, and random samples and photographs beside them, compare two by two and all together."""
    by_rater: dict[str, list[Game]] = defaultdict(list)
    left = n = 0
    for record in records:
        if record.skipped or record.stimulus.kind is Kind.CATCH:
            continue
        chosen = int(record.answer.response == SECOND)
        runs = record.stimulus.runs
        by_rater[record.rater.id].append((runs[chosen], runs[1 - chosen]))
        left, n = left + (record.answer.shown == "left"), n + 1
    games = [game for own in by_rater.values() for game in own]
    if not games:
        return {"pairs": [], "strengths": [], "left": None}
    compared = pairs(games)
    corrected = holm([pair.p for pair in compared])
    strengths, intervals = bradley_terry(games), bradley_terry_intervals(list(by_rater.values()))
    return {
        "pairs": [{**asdict(pair), "p_holm": p} for pair, p in zip(compared, corrected, strict=True)],
        "strengths": [
            {"run": name, "strength": value, "interval": intervals.get(name)}
            for name, value in sorted(strengths.items(), key=lambda item: -item[1])
        ],
        "left": {"share": left / n, "n": n, "interval": wilson(left, n)},  # a half where nobody leans to a side
    }


# How real


def opinions(records: list[Record]) -> list[Found]:
    """Return the mean opinion, 1 to 5, of each run, of photographs and of random samples."""
    values: dict[str, list[tuple[float, str, int]]] = defaultdict(list)
    for record in records:
        if not record.skipped and record.stimulus.kind is not Kind.CATCH:
            where = record.stimulus.runs[0]
            values[where].append((float(record.answer.response), record.rater.id, record.stimulus.id))
    found = []
    for run, given in values.items():
        raters = {rater: i for i, rater in enumerate(dict.fromkeys(rater for _, rater, _ in given))}
        scores, who = (torch.tensor(side) for side in zip(*((v, raters[r]) for v, r, _ in given), strict=True))
        found.append(
            {
                "run": run,
                "control": run in (PHOTOGRAPH, SAMPLE),
                "mean": scores.mean().item(),
                "n": len(given),
                "pictures": len({stimulus for _, _, stimulus in given}),
                "interval": mean_interval(scores, who),  # a rater counted once, however much they rated
                "counts": [int((scores == value).sum()) for value in range(1, 6)],
            }
        )
    return sorted(found, key=lambda each: -each["mean"])
