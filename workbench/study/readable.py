"""A study's tally and its findings in lines that a person reads in a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from workbench.study.session import Study

Found = dict[str, Any]


def tally_of(study: Study) -> Found:
    """Return who came and how far they are; nothing of what was answered, so that it may be on a screen meanwhile."""
    done = Counter(answer.rater for answer in study.answers.answers())
    raters: list[Found] = [
        {"id": r.id, "done": done[r.id], "of": len(study.trials(r.number)), "simulated": r.simulated, "came": r.created}
        for r in study.answers.raters()
    ]
    return {
        "study": study.id,
        "title": study.folder.title,
        "question": study.question(),
        "ended": study.answers.ended(),
        "answers": sum(done.values()),
        "finished": sum(r["done"] >= r["of"] for r in raters),
        "raters": raters,
    }


def tally_lines(study: Study) -> Found:
    """Return the tally with `lines` for a person."""
    found = tally_of(study)
    state = "ended" if found["ended"] else "open"
    count = len(found["raters"])
    lines = [
        f"{found['title']}: {state}, {count} rater{'' if count == 1 else 's'}, {found['finished']} finished, "
        f"{found['answers']} answers",
        *(f"  {r['id']}  {r['done']} of {r['of']}{'  simulated' if r['simulated'] else ''}" for r in found["raters"]),
    ]
    return {**found, "lines": lines}


def percent(share: float | None, interval: Any = None) -> str:
    if share is None:
        return "–"
    spread = f" ({100 * interval[0]:.0f} to {100 * interval[1]:.0f})" if interval else ""
    return f"{100 * share:.0f} %{spread}"


def analysis_lines(found: Found) -> Iterator[str]:
    """Yield what a study found, line by line; ranges are 95 % intervals."""
    yield f"{found['title']}: {found['answers']} answers of {found['raters']} raters, {len(found['left_out'])} left out"
    yield from found["notes"]
    yield found["rule"]
    yield from (f"  left out: {rater}: {why}" for rater, why in found["left_out"].items())
    agreed = found["agreement"]
    if agreed["alpha"] is not None:
        spread = f" ({agreed['interval'][0]:.2f} to {agreed['interval'][1]:.2f})" if agreed["interval"] else ""
        yield f"agreement: alpha {agreed['alpha']:.2f}{spread}, {percent(agreed['percent'])} of pairs the same"
    twice = found["consistency"]
    if twice["n"]:
        yield f"asked twice: {twice['same']} of {twice['n']} the same"
    for control in found["controls"]:
        yield f"{control['kind']}: {percent(control['right'] / control['n'], control['interval'])} right, n {control['n']}"
    yield from recognition_lines(found)
    yield from preference_lines(found)
    for opinion in found.get("opinions", []):
        name = found["titles"].get(opinion["run"], opinion["run"])
        yield f"{name}: {opinion['mean']:.2f} of 5, n {opinion['n']}"


def recognition_lines(found: Found) -> Iterator[str]:
    if detected := found.get("detection"):
        yield f"photographs against others: d' {detected['d_prime']:.2f}, criterion {detected['criterion']:.2f}"
    for run in found.get("runs", []):
        d = run["detection"]
        told = f", d' {d['d_prime']:.2f}" if d and run["n"] else ""
        yield f"{run['title']}: people see the person in {percent(run['share'], run['interval'])} of {run['n']} answers{told}"
        yield f"  most people recognise {run['recognised']} of {run['decided']} pictures"
        for judge in run["judges"]:
            rates = ", ".join(
                f"{rate.upper()} {percent(judge[rate]['share'])} (n {judge[rate]['n']})"
                for rate in ("fpr", "fnr", "tpr", "tnr")
            )
            yield f"  {judge['title']}: accepts {judge['accepts']} of {judge['n']}; {rates}"
    for each in found.get("correlations", []):
        rho = each["why"] if each["rho"] is None else f"{each['rho']:+.2f}, n {each['n']}"
        yield f"people with {each['title']}: {rho}"


def preference_lines(found: Found) -> Iterator[str]:
    titles = found["titles"]
    for pair in found.get("pairs", []):
        first, second = (titles.get(pair[side], pair[side]) for side in ("first", "second"))
        share = percent(pair["share"], pair["interval"])
        yield f"{first} closer than {second}: {share}, n {pair['n']}, p {pair['p_holm']:.3f} (Holm)"
    for each in found.get("strengths", []):
        yield f"strength of {titles.get(each['run'], each['run'])}: {each['strength']:+.2f}"
