"""What the Target tab shows and does, without its controls: plain data and HTML, nothing of Gradio.

An answer names controls and says what each is to be, as Invert's do.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

from workbench.core.errors import WorkbenchError
from workbench.core.knobs import configure, values_of
from workbench.core.records import TrainingConfig
from workbench.defenses.not_applicable import NOT_APPLICABLE
from workbench.defenses.plan import DEFENSES, Part, Plan
from workbench.defenses.store import target_problem
from workbench.scenarios import SCENARIOS
from workbench.ui.catalog import SAMPLES, Catalog
from workbench.ui.comparison import comparison, percent
from workbench.ui.settings import spec_of

Updates = dict[str, dict[str, Any]]
Named = tuple[str, str, str]  # scenario, architecture, defense

WAIT = (
    '<section class="wb-card-text" aria-busy="true"><p class="wb-note">Asking the target about images it never saw …'
    "</p></section>"
)

PAGE = 10  # classes on a page of the gallery


def trouble(error: WorkbenchError) -> str:
    return f'<div class="wb-problem"><p>{escape(str(error))}</p></div>'


def plan_text(training: str | None, output: str | None, knobs: Mapping[str, Any], around: Mapping[str, Any]) -> str:
    """Return the defense that the pickers and their knobs name, such as ``"bido(strength=2)+rounding"``.

    Raises:
        UnknownName, KnobError, Incompatible.
    """
    parts = []
    for key, panel in ((training, knobs), (output, around)):
        if key and key != "none":
            values = panel.get("values", {}) if panel.get("attack") == key else {}
            parts.append(str(Part(key, configure(DEFENSES[key], values))))
    return str(Plan.of("+".join(parts) or "none"))


def defense_choices(stage: str) -> list[tuple[str, str]]:
    return [(e.title if e.info.stage == stage else "None", e.key) for e in DEFENSES if e.info.stage in (stage, "none")]


def defense_knobs(key: str, stage: str, defense: Any = None) -> dict[str, Any]:
    """Return the value of the knob panel of a defense; empty where it has no knobs."""
    kind = DEFENSES[key]
    return {
        "attack": key,
        "prefix": f"{stage}-",
        "title": DEFENSES.entry(key).title,
        "spec": spec_of(kind),
        "values": values_of(kind() if defense is None else defense),
        "stamp": time.time_ns(),
    }


def trainable(scenario: str, arch: str, defense: str) -> dict[str, Any]:
    """Return what the training part must know; no scenario where nothing of this target is to be trained."""
    plan, trained = Plan.of(defense), target_problem(scenario, arch, defense) is None
    learns = plan.training is not None or (plan.output is not None and plan.output.defense.learns)
    if not learns and target_problem(scenario, arch) is None:
        return {"stamp": time.time_ns(), "scenario": "", "prior": ""}
    return {
        "stamp": time.time_ns(),
        "scenario": scenario,
        "prior": "",
        "target": arch,
        "defense": defense,
        "trained": trained,
    }


def model_card(catalog: Catalog, scenario: str, arch: str, defense: str = "none") -> str:
    """Return accuracy, size, recipe and layers of a target, as HTML."""
    try:
        inside = str(replace(Plan.of(defense), output=None))
        if target_problem(scenario, arch, inside):
            return ""  # the comparison says so
        card, layers = catalog.card(scenario, arch, inside), catalog.layers(scenario, arch, inside)
        unseen = len(catalog.scenario(scenario).private.heldout)
    except WorkbenchError as error:
        return trouble(error)
    facts = [
        ("Accuracy, training images", percent(card.get("train_accuracy"))),
        ("Accuracy, unseen images", f"{percent(card.get('heldout_accuracy'))} of {unseen:,}"),
        ("Parameters", f"{sum(row[3] for row in layers):,}"),
        ("Input", " × ".join(map(str, card["shape"]))),
        ("Classes", str(card["num_classes"])),
    ]
    recipe = ", ".join(
        f"{k.replace('_', ' ')} {v:g}"
        for k, v in card.get("recipe", {}).items()
        if k in ("epochs", "batch", "lr", "weight_decay", "smoothing", "seed")
    )
    tiles = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts)
    body = "".join(
        f'<tr><td>{escape(n)}</td><td>{escape(kind)}</td><td>{escape(shape)}</td><td class="num">{size:,}</td></tr>'
        for n, kind, shape, size in layers
    )
    return (
        f'<section class="wb-card-text"><h2>{escape(card.get("what", arch))}</h2><dl class="wb-tiles">{tiles}</dl>'
        f'<p class="wb-note">Trained on {escape(card.get("data", "the private images"))}. Recipe: '
        f"{escape(recipe)}; {card.get('seconds', 0):.0f} s on {escape(str(card.get('device', '?')))}.</p>"
        f"<details><summary>Layers ({len(layers)})</summary><div class='wb-scroll'><table class='wb-table'><thead>"
        f"<tr><th>layer</th><th>kind</th><th>output</th><th class='num'>parameters</th></tr></thead>"
        f"<tbody>{body}</tbody></table></div></details></section>"
    )


def elsewhere() -> str:
    """Return the defenses that no model on its own can have, as HTML."""
    rows = "".join(f"<dt>{escape(e.title)}</dt><dd>{escape(e.reason)} {escape(e.paper)}.</dd>" for e in NOT_APPLICABLE)
    names = ", ".join(e.title for e in NOT_APPLICABLE)
    return (
        f'<section class="wb-card-text"><details><summary>Not among the defenses: {escape(names)}</summary>'
        f'<dl class="wb-why-not">{rows}</dl></details></section>'
    )


def sentence(text: str) -> str:
    """Return a text as a sentence begins; what is left of it stays as it is written."""
    return text[:1].upper() + text[1:]


def known(catalog: Catalog, scenario: str) -> str:
    """Return what the attacker has: public data and the priors, the scenario's usual one with samples, as HTML."""
    place, usual = catalog.scenario(scenario), SCENARIOS[scenario].default_prior
    priors = catalog.priors(scenario)
    title, problem = next((title, problem) for key, title, problem in priors if key == usual)
    picture = (
        f'<p class="wb-note">{escape(problem)}</p>'
        if problem
        else f'<img class="wb-samples" src="/wb/scenarios/{escape(scenario)}/priors/{escape(usual)}.webp" '
        f'alt="{SAMPLES} random samples of the {escape(title)} prior">'
    )
    others = [title for key, title, problem in priors if key != usual and not problem]
    also = f'<p class="wb-note">Also trained: {escape(", ".join(others))}. See Prior.</p>' if others else ""
    return (
        f'<section class="wb-card-text"><h2>What the attacker knows</h2><p>{escape(sentence(place.public_source))}.</p>'
        f"<h3>{escape(title)} prior, {SAMPLES} random samples</h3>{picture}{also}</section>"
    )


def gallery(catalog: Catalog, scenario: str, page: int) -> str:
    """Return one page of the private images, a row for each class, as HTML."""
    try:
        place = catalog.scenario(scenario)
        first = (page - 1) * PAGE
        classes, rows = range(first, min(first + PAGE, place.num_classes)), []
        for c in classes:
            images, trained = catalog.private_rows(scenario, c)
            share = 100 * trained / len(images)
            rows.append(
                f'<div class="wb-strip"><b>{escape(place.class_names[c])}</b><div class="wb-strip-body" '
                f'style="--share:{share:.3f}%;--n:{len(images)}"><img '
                f'src="/wb/scenarios/{escape(scenario)}/private/{c}.webp" loading="lazy" alt="{trained} training '
                f'and {len(images) - trained} held-out images of {escape(place.class_names[c])}"></div></div>'
            )
    except WorkbenchError as error:
        return trouble(error)
    return (
        '<section class="wb-card-text"><h2>The private images</h2><p>'
        f"{escape(sentence(place.private_source))}. Left of the line: the target was trained on these. Right of it: held "
        f"out, it never saw them.</p>{''.join(rows)}</section>"
    )


def pages(catalog: Catalog, scenario: str) -> int:
    return -(-catalog.scenario(scenario).num_classes // PAGE)


@dataclass(frozen=True)
class Picks:
    """What the pickers say, as the page sends it.

    Attributes:
        training, output: keys of the defenses while learning and around the output.
        knobs, around: their knob panels' values.
    """

    scenario: str
    target: str
    training: str = "none"
    output: str = "none"
    knobs: Mapping[str, Any] = field(default_factory=dict)
    around: Mapping[str, Any] = field(default_factory=dict)

    def named(self) -> Named:
        """Return scenario, architecture and defense; raises `UnknownName`, `KnobError` or `Incompatible`."""
        return self.scenario, self.target, plan_text(self.training, self.output, self.knobs, self.around)


def measure(picks: Picks) -> str:
    """Return what the target answers about images it never saw, as HTML; takes seconds."""
    return comparison(*picks.named())


def knob_panels(inside: Part | None, outside: Part | None) -> Updates:
    """Return the knob panels of the two defenses; hidden where neither has a knob."""
    values = [
        defense_knobs(part.key if part else "none", stage, part and part.defense)
        for part, stage in ((inside, "training"), (outside, "output"))
    ]
    return {
        "knobs": {"value": values[0]},
        "around": {"value": values[1]},
        "panels": {"visible": any(value["spec"] for value in values)},
    }


class TargetHandlers:
    """What a person asks of the Target tab."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def show(self, picks: Picks, before: str = "") -> Updates:
        """Show what is known at once; `measure` asks the target, and is not asked the same again.

        Args:
            before: what the comparison on the page is of.
        """
        scenario, target, defense = now = picks.named()
        updates: Updates = {
            "card": {"value": model_card(self.catalog, scenario, target, defense)},
            "chance": {"value": trainable(scenario, target, defense)},
            "asked": {"value": " ".join(now)},
            "attack": {"visible": target_problem(scenario, target, defense) is None},
        }
        return updates if " ".join(now) == before else {**updates, "compared": {"value": WAIT}}

    def choose_scenario(self, picks: Picks, before: str = "") -> Updates:
        key, count = picks.scenario, pages(self.catalog, picks.scenario)
        target = SCENARIOS[key].default_target
        return {
            "target": {"choices": self.catalog.targets(key), "value": target},
            "page": {"maximum": max(2, count), "value": 1, "visible": count > 1},
            **self.surroundings(key),
            **self.show(replace(picks, target=target), before),
        }

    def choose_defense(self, picks: Picks, before: str = "") -> Updates:
        """Bring the knobs of the defenses that are picked, at their usual values."""
        panels = knob_panels(*(Part(k, DEFENSES[k]()) if k != "none" else None for k in (picks.training, picks.output)))
        picks = replace(picks, knobs=panels["knobs"]["value"], around=panels["around"]["value"])
        return {**panels, **self.show(picks, before)}

    def revisit(self, picks: Picks, wanted: TrainingConfig | None, before: str = "") -> Updates:
        """Show what the pickers say, or the target of a training that was asked for elsewhere."""
        if wanted is None or wanted.target is None:
            return {**self.surroundings(picks.scenario), **self.show(picks, before)}
        plan = Plan.of(wanted.defense)
        inside, outside = (part.key if part else "none" for part in (plan.training, plan.output))
        panels = knob_panels(plan.training, plan.output)
        picks = Picks(
            wanted.scenario, wanted.target, inside, outside, panels["knobs"]["value"], panels["around"]["value"]
        )
        return {
            "scenario": {"value": wanted.scenario},
            "target": {"choices": self.catalog.targets(wanted.scenario), "value": wanted.target},
            "training": {"value": inside},
            "output": {"value": outside},
            **panels,
            **self.surroundings(wanted.scenario),
            **self.show(picks, before),
        }

    def surroundings(self, scenario: str) -> Updates:
        """Return what is the scenario's own: what the attacker has, and the private images."""
        return {
            "attacker": {"value": known(self.catalog, scenario)},
            "images": {"value": gallery(self.catalog, scenario, 1)},
        }
