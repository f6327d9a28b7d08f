"""A target with and without its defense, side by side: figures, confidences and calibration, as HTML."""

from __future__ import annotations

from html import escape
from typing import Any

from workbench.analysis.target_behaviour import behaviour
from workbench.core.errors import WorkbenchError
from workbench.core.weights import has_weights, read_card
from workbench.defenses.plan import Plan
from workbench.defenses.store import release_name, target_card, target_problem, weights_name
from workbench.metrics.calibration import Calibration

WIDTH, HEIGHT = 300, 96  # of a plot's own units
FIGURES = (
    ("accuracy", "Accuracy, unseen images", "{:.1%}"),
    ("confidence", "Mean confidence", "{:.1%}"),
    ("ece", "Calibration error (ECE)", "{:.3f}"),
    ("nll", "Log-likelihood loss, nats", "{:.3f}"),
    ("brier", "Brier score", "{:.3f}"),
)
HELP = {
    "confidence": "Of the class that the target names.",
    "ece": "Mean gap between confidence and accuracy, 0 is perfect (Guo et al., 2017).",
    "nll": "Of the true class. A dash: some true class was given a confidence of exactly zero.",
    "brier": "Squared distance of the confidences from the truth, 0 to 2.",
}


def percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def written(form: str, value: float | None) -> str:
    if value is None:
        return "–"
    return percent(value) if form.endswith("%}") else form.format(value)


def bars(heights: list[float | None], label: str, diagonal: bool = False) -> str:
    """Return bars over equal bins of confidence as SVG; heights are 0 to 1, None leaves a bin empty."""
    wide = WIDTH / len(heights)
    rects = "".join(
        f'<rect x="{i * wide + 1:.1f}" y="{HEIGHT * (1 - h):.1f}" width="{wide - 2:.1f}" '
        f'height="{max(HEIGHT * h, 0.8):.1f}"/>'
        for i, h in enumerate(heights)
        if h
    )
    line = f'<line x1="0" y1="{HEIGHT}" x2="{WIDTH}" y2="0"/>' if diagonal else ""
    return (
        f'<svg class="wb-bars" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}">{rects}{line}</svg>'
        '<div class="wb-ends"><span>0 %</span><span>confidence</span><span>100 %</span></div>'
    )


def histogram(found: Calibration) -> str:
    most = max(range(len(found.counts)), key=found.counts.__getitem__)
    label = (
        f"{found.counts[most]} of {found.n} images have a confidence between {found.edges[most]:.0%} and "
        f"{found.edges[most + 1]:.0%}"
    )
    return bars([count / max(found.counts) for count in found.counts], label)


def reliability(found: Calibration) -> str:
    return bars(found.bin_accuracy, f"Accuracy at each confidence; mean gap {found.ece:.3f}", diagonal=True)


def cost_of(card: dict[str, Any]) -> str:
    """Return what a defense's card says it took, and where it warns that it does not defend, as HTML."""
    facts = card.get("defense") or {}
    told = [
        f"{name.replace('_', ' ')} {value:g}" if isinstance(value, (int, float)) else f"{name}: {value}"
        for name, value in facts.items()
        if name not in ("text", "knobs", "warning") and isinstance(value, (int, float, str))
    ]
    knobs = [f"{name.replace('_', ' ')} {value}" for name, value in (facts.get("knobs") or {}).items()]
    text = f"Trained in {card.get('seconds', 0):.0f} s on {card.get('device', '?')}"
    text += f" with {', '.join(knobs)}" if knobs else ""
    text += f"; {', '.join(told)}" if told else ""
    warning = f'<div class="wb-problem"><p>{escape(facts["warning"])}</p></div>' if "warning" in facts else ""
    return f'{warning}<p class="wb-note">{escape(text)}.</p>'


def rows_of(scenario: str, arch: str, defenses: list[str], found: list[Calibration]) -> str:
    cards = [target_card(scenario, arch, defense) for defense in defenses]
    rows = [("Accuracy, training images", "", [percent(card.get("train_accuracy")) for card in cards])]
    rows += [
        (of_how_many(title, found), HELP.get(key, ""), [written(form, getattr(c, key)) for c in found])
        for key, title, form in FIGURES
    ]
    rows.append(("Training time", "", [f"{card.get('seconds', 0):.0f} s" for card in cards]))
    return "".join(
        f'<tr><th scope="row" title="{escape(tip)}">{escape(title)}</th>'
        + "".join(f'<td class="num">{value}</td>' for value in values)
        + "</tr>"
        for title, tip, values in rows
    )


def of_how_many(title: str, found: list[Calibration]) -> str:
    """Return a figure's title with how many images it is of, where it speaks of them and all columns are of as many."""
    counts = {c.n for c in found}
    return title.replace("unseen images", f"{counts.pop():,} unseen images") if len(counts) == 1 else title


def comparison(scenario: str, arch: str, defense: str) -> str:
    """Return figures and plots of the undefended target, beside the defended one where a defense is chosen.

    What is missing is said in its place.
    """
    try:
        plan = Plan.of(defense)
        wanted = ["none"] if str(plan) == "none" else ["none", str(plan)]
        missing = [problem for d in wanted if (problem := target_problem(scenario, arch, d))]
        able = [d for d in wanted if target_problem(scenario, arch, d) is None]
        found = [behaviour(scenario, arch, d) for d in able]
    except WorkbenchError as error:
        return f'<div class="wb-problem"><p>{escape(str(error))}</p></div>'
    said = "".join(f'<div class="wb-problem"><p>{escape(problem)}</p></div>' for problem in missing)
    if not found:
        return said
    titles = ["Undefended" if d == "none" else Plan.of(d).title for d in able]
    head = "".join(f'<th class="num" scope="col">{escape(title)}</th>' for title in titles)
    plots = "".join(
        f"<figure><figcaption>{escape(title)}</figcaption><div><p>Images by confidence</p>{histogram(c)}"
        f"</div><div><p>Accuracy by confidence; honest on the line</p>{reliability(c)}</div></figure>"
        for title, c in zip(titles, found, strict=True)
    )
    names = [weights_name(scenario, arch, defense) if plan.training else None, release_name(scenario, arch, defense)]
    costs = "".join(cost_of(read_card(name)) for name in names if name and has_weights(name))
    return (
        f'{said}<section class="wb-card-text" data-testid="comparison"><h2>How it answers about images it never saw'
        f'</h2><table class="wb-table"><thead><tr><th scope="col">Measure</th>{head}</tr></thead><tbody>'
        f"{rows_of(scenario, arch, able, found)}</tbody></table>{costs}"
        f'<div class="wb-answers" data-n="{len(found)}">{plots}</div></section>'
    )
