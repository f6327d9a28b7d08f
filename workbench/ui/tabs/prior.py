"""Prior: what the attacker can imagine. Samples, ways between them, what they resemble, and how far they reach."""

from __future__ import annotations

import time
from html import escape
from typing import Any

import gradio as gr

from workbench.analysis.prior_explorer import PriorChoice, sheet_size, slow, spherical
from workbench.analysis.prior_quality import figures_of
from workbench.analysis.prior_reach import MOST
from workbench.core.errors import UsageError, WorkbenchError
from workbench.defenses.plan import DEFENSES, under
from workbench.engine.presets import PRESETS
from workbench.priors import PRIORS
from workbench.priors.base import lender_of, prior_problem
from workbench.scenarios import SCENARIOS
from workbench.ui.components.forms import part
from workbench.ui.routes.priors import training_config
from workbench.ui.shell import COMMAND, QUIET, App, tab, told

FIGURES = {
    "frechet": "Fréchet distance",
    "precision": "Precision",
    "recall": "Recall",
    "density": "Density",
    "coverage": "Coverage",
    "spread": "Spread",
}
QUALITIES = {"quick": "Quick", "full": "Full"}


def prior_choices(scenario: str, target: str | None, defense: str) -> list[tuple[str, str]]:
    """Return (title, key) of every prior; untrained ones say so."""
    return [
        (e.title + (" (not trained)" if prior_problem(scenario, e.key, target, under(defense)) else ""), e.key)
        for e in PRIORS
    ]


def chosen_of(scenario: str, prior: str, target: str | None, defense: str | None) -> PriorChoice:
    """Return the prior that the pickers name; the target counts for tuned ones alone."""
    if not PRIORS[prior].tuned:
        return PriorChoice(scenario, prior)
    return PriorChoice(scenario, prior, target or SCENARIOS[scenario].default_target, defense or "none")


def described(app: App, chosen: PriorChoice) -> dict[str, Any]:
    """Return what the page must know of a prior to draw it, as plain data."""
    kind, place = PRIORS[chosen.prior], SCENARIOS[chosen.scenario]
    problem = prior_problem(chosen.scenario, chosen.prior, chosen.target, under(chosen.defense)) or ""
    value = {
        "scenario": chosen.scenario,
        "prior": chosen.prior,
        "target": chosen.target or "",
        "defense": chosen.defense,
        "title": PRIORS.entry(chosen.prior).title,
        "problem": problem,
        "conditional": kind.conditional,
        "classes": list(place.class_names),
        "noun": place.class_noun,
        "count": sheet_size(kind),
        "tile": [place.input_shape[2], place.input_shape[1]],
        "space": kind.space,
        "wide": hasattr(kind, "widen"),
        "most": MOST,
        "slow": slow(kind),
        "private": SCENARIOS[chosen.scenario]().problem() or "",
        "stamp": time.time_ns(),
    }
    if not problem:
        try:
            value["spherical"] = spherical(app.explorer.prior(chosen))
        except WorkbenchError as error:
            value["problem"] = str(error)
    return value


def duration(seconds: float) -> str:
    """Return a length of time in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def facts(chosen: PriorChoice) -> str:
    """Return what a prior's card says, as HTML; "" for one that is not trained."""
    if prior_problem(chosen.scenario, chosen.prior, chosen.target, under(chosen.defense)):
        return ""
    try:
        card = chosen.card()
    except WorkbenchError as error:
        return f'<div class="wb-problem"><p>{escape(str(error))}</p></div>'
    steps = f"{card.get('steps', 0):,}"
    tiles = [
        ("Quality", QUALITIES.get(card.get("quality", ""), "–")),
        ("Training steps", steps),
        ("Training time", duration(card.get("seconds", 0))),
        ("Public images", f"{card.get('public_images', 0):,}"),
    ]
    lines = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in tiles)
    lender = lender_of(chosen.scenario, chosen.prior)
    said = [f"Trained on {card.get('data', 'public images')}."]
    if card.get("licence"):
        said.append(f"Licence: {card['licence']}.")
    if card.get("target"):
        said.append(
            f"Tuned to the {card['target']} target"
            + ("." if card.get("defense", "none") == "none" else f" under {card['defense']}.")
        )
    if lender:
        said.append(f"The colour prior of {lender}, seen in grey.")
    if card.get("finished") is False:
        said.append("Its training is not finished.")
    if card.get("note"):
        said.append(f"Note: {card['note']}.")
    threads = f", {card['threads']} thread(s)" if "threads" in card else ""
    recipe = ", ".join(
        f"{k.replace('_', ' ')} {v:g}" if isinstance(v, (int, float)) else f"{k.replace('_', ' ')} {v}"
        for k, v in card.get("recipe", {}).items()
    )
    return (
        f'<section class="wb-card-text" data-testid="prior-facts"><h2>{escape(PRIORS.entry(chosen.prior).title)} of '
        f'{escape(SCENARIOS.entry(chosen.scenario).title)}</h2><dl class="wb-tiles">{lines}</dl>'
        f"<p>{escape(' '.join(said))}</p>{quality_table(card, chosen.scenario)}"
        f"<details><summary>Recipe</summary><p>{escape(recipe)}. {escape(str(card.get('device', '?')))}{threads}. "
        f"{escape(card.get('paper', ''))}.</p></details></section>"
    )


def quality_table(card: dict[str, Any], scenario: str) -> str:
    """Return the figures of a card beside what a perfect prior would reach, as HTML."""
    found = figures_of(card, scenario)
    if not found:
        return (
            '<p class="wb-note">Not measured yet: python -m workbench quality compares its samples with the public '
            "images.</p>"
        )
    rows = "".join(
        f'<tr><th scope="row">{title}</th><td class="num wb-strong">{found[key]:.3g}</td><td class="num">'
        f"{found[f'{key}_halves']:.3g}</td></tr>"
        for key, title in FIGURES.items()
        if key in found
    )
    biased = " With so few images the Fréchet distance says little on its own." if found.get("biased") else ""
    return (
        '<table class="wb-table"><thead><tr><th>samples against public images</th><th class="num">this prior</th>'
        f'<th class="num">perfect</th></tr></thead><tbody>{rows}</tbody></table><p class="wb-note">'
        f"{found['n']:,} images of each set, in the evaluator's features. Perfect: public images in place of the "
        f"samples.{biased}</p>"
    )


@tab("prior", title="Prior", order=1)
def build(app: App) -> None:
    first = PRESETS[0].config
    place, usual = SCENARIOS[first.scenario], SCENARIOS[first.scenario].default_prior
    tuned = PRIORS[usual].tuned
    with gr.Row(elem_classes="wb-pickers"):
        scenario = gr.Dropdown(
            app.catalog.scenarios(), value=first.scenario, label="Scenario", filterable=False, elem_id="prior-scenario"
        )
        prior = gr.Dropdown(
            prior_choices(first.scenario, None, "none"),
            value=usual,
            label="Prior",
            filterable=False,
            elem_id="prior-key",
        )
        target = gr.Dropdown(
            app.catalog.targets(first.scenario),
            value=place.default_target,
            label="Tuned to target",
            filterable=False,
            visible=tuned,
            elem_id="prior-target",
        )
        defense = gr.Dropdown(
            [(e.title, e.key) for e in DEFENSES if e.info.stage in ("none", "training")],
            value="none",
            label="Defended by",
            filterable=False,
            visible=tuned,
            elem_id="prior-defense",
        )
    with gr.Row(equal_height=False, elem_classes="wb-below wb-prior-row"):
        with gr.Column(scale=8, min_width=480):
            look, reach = part("prior", "prior-prior"), part("reach", "prior-reach")
        with gr.Column(scale=5, min_width=340):
            card = gr.HTML(apply_default_css=False, elem_id="prior-facts")
            training = part("training", "prior-training")
    pickers, parts = [scenario, prior, target, defense], [look, reach, training, card]

    def show(key: str, name: str, victim: str | None, defended: str | None) -> dict[Any, Any]:
        chosen = chosen_of(key, name, victim, defended)
        value, on = described(app, chosen), PRIORS[name].tuned
        choices = prior_choices(key, victim if on else None, (defended or "none") if on else "none")
        return {
            look: value,
            reach: value,
            training: value,
            card: facts(chosen),
            prior: gr.Dropdown(choices, value=name),
            target: gr.Dropdown(visible=on),
            defense: gr.Dropdown(visible=on and len(DEFENSES.keys()) > 1),
        }

    def other(key: str) -> dict[Any, Any]:
        victim, name = SCENARIOS[key].default_target, SCENARIOS[key].default_prior
        return {
            **show(key, name, victim, "none"),
            defense: gr.Dropdown(value="none", visible=False),
            target: gr.Dropdown(app.catalog.targets(key), value=victim, visible=PRIORS[name].tuned),
        }

    def opened(key: str, name: str, victim: str | None, defended: str | None, request: gr.Request) -> dict[Any, Any]:
        """Show what the pickers say, or the prior of the training that was asked for elsewhere."""
        asked = app.wanted.pop(request.session_hash or "", None)
        if asked is None or asked.prior is None:
            return {scenario: gr.skip(), **show(key, name, victim, defended)}
        on, victim = PRIORS[asked.prior].tuned, asked.target or SCENARIOS[asked.scenario].default_target
        return {
            **show(asked.scenario, asked.prior, victim, asked.defense),
            scenario: asked.scenario,
            target: gr.Dropdown(app.catalog.targets(asked.scenario), value=victim, visible=on),
            defense: gr.Dropdown(value=asked.defense, visible=on and len(DEFENSES.keys()) > 1),
        }

    outputs = [prior, target, defense, *parts]
    app.when_opened("prior", opened, pickers, [scenario, *outputs], **QUIET)
    scenario.input(other, scenario, outputs, **QUIET)
    app.keep_current("prior", scenario)
    gr.on([prior.input, target.input, defense.input], show, pickers, outputs, **QUIET)

    def act(event: gr.EventData, request: gr.Request) -> None:
        """Do what the parts' buttons ask for; they then ask for the news themselves."""
        with told():
            chosen = PriorChoice(event.scenario, event.prior, event.victim or None, event.defense)
            if event.do == "train":
                app.train(training_config(chosen, quality=event.quality, resume=bool(event.resume)), request)
            elif event.do == "stop":
                app.stop(app.store.training(event.run).id, request)
            elif event.do in ("reach", "end-reach"):
                classes = SCENARIOS[chosen.scenario]().classes(str(event.classes)[:200])
                (app.search_reach if event.do == "reach" else app.end_reach)(chosen, classes, bool(event.wide), request)
            else:
                raise UsageError("There is no such action.")

    gr.on([training.select, reach.select], act, None, None, **COMMAND)
    # A training has ended, or has published better weights: everything that shows the prior looks again.
    training.input(show, pickers, outputs, **QUIET)
