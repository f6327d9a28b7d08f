"""Target: what is attacked, what it learned from, and what the attacker knows."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from workbench.core.errors import WorkbenchError
from workbench.runs.compat import PRESETS
from workbench.scenarios import SCENARIOS
from workbench.ui.catalog import SAMPLES, Catalog
from workbench.ui.shell import LIGHT, App, tab

PAGE = 10  # classes on a page of the gallery


def percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def trouble(error: WorkbenchError) -> str:
    return f'<div class="wb-problem"><p>{escape(str(error))}</p></div>'


def model_card(catalog: Catalog, scenario: str, arch: str) -> str:
    """Return accuracy, size, recipe and layers of a target, as HTML."""
    try:
        card, layers = catalog.card(scenario, arch), catalog.layers(scenario, arch)
    except WorkbenchError as error:
        return trouble(error)
    facts = [("Accuracy, training images", percent(card.get("train_accuracy"))),
             ("Accuracy, unseen images", percent(card.get("heldout_accuracy"))),
             ("Parameters", f"{sum(row[3] for row in layers):,}"),
             ("Input", " × ".join(map(str, card["shape"]))), ("Classes", str(card["num_classes"]))]
    recipe = ", ".join(f"{k.replace('_', ' ')} {v:g}" for k, v in card.get("recipe", {}).items()
                       if k in ("epochs", "batch", "lr", "weight_decay", "smoothing", "seed"))
    tiles = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts)
    body = "".join(f"<tr><td>{escape(n)}</td><td>{escape(kind)}</td><td>{escape(shape)}</td>"
                   f'<td class="num">{size:,}</td></tr>' for n, kind, shape, size in layers)
    return (f'<section class="wb-card-text"><h2>{escape(card.get("what", arch))}</h2><dl class="wb-tiles">{tiles}</dl>'
            f'<p class="wb-note">Trained on {escape(card.get("data", "the private images"))}. Recipe: '
            f"{escape(recipe)}; {card.get('seconds', 0):.0f} s on {escape(str(card.get('device', '?')))}.</p>"
            f"<details><summary>Layers ({len(layers)})</summary><div class='wb-scroll'><table class='wb-table'><thead>"
            f"<tr><th>layer</th><th>kind</th><th>output</th><th class='num'>parameters</th></tr></thead>"
            f"<tbody>{body}</tbody></table></div></details></section>")


def known(catalog: Catalog, scenario: str) -> str:
    """Return what the attacker has: public data and the priors, the scenario's usual one with samples, as HTML."""
    place, usual = catalog.scenario(scenario), SCENARIOS[scenario].default_prior
    priors = catalog.priors(scenario)
    title, problem = next((title, problem) for key, title, problem in priors if key == usual)
    picture = (f'<p class="wb-note">{escape(problem)}</p>' if problem else
               f'<img class="wb-samples" src="/wb/scenarios/{escape(scenario)}/priors/{escape(usual)}.webp" '
               f'alt="{SAMPLES} random samples of the {escape(title)} prior">')
    others = [title for key, title, problem in priors if key != usual and not problem]
    also = f'<p class="wb-note">Also trained: {escape(", ".join(others))}. See Prior.</p>' if others else ""
    return (f'<section class="wb-card-text"><h2>What the attacker knows</h2><p>{escape(place.public_source)}.</p>'
            f"<h3>{escape(title)} prior, {SAMPLES} random samples</h3>{picture}{also}</section>")


def gallery(catalog: Catalog, scenario: str, page: int) -> str:
    """Return one page of the private images, a row for each class, as HTML."""
    try:
        place = catalog.scenario(scenario)
        first = (page - 1) * PAGE
        classes, rows = range(first, min(first + PAGE, place.num_classes)), []
        for c in classes:
            images, trained = catalog.private_rows(scenario, c)
            share = 100 * trained / len(images)
            rows.append(f'<div class="wb-strip"><b>{escape(place.class_names[c])}</b><div class="wb-strip-body" '
                        f'style="--share:{share:.3f}%;--n:{len(images)}"><img '
                        f'src="/wb/scenarios/{escape(scenario)}/private/{c}.webp" loading="lazy" alt="{trained} training '
                        f'and {len(images) - trained} held-out images of {escape(place.class_names[c])}"></div></div>')
    except WorkbenchError as error:
        return trouble(error)
    return ('<section class="wb-card-text"><h2>The private images</h2><p>'
            f"{escape(place.private_source)}. Left of the line: the target was trained on these. Right of it: held "
            f"out, it never saw them.</p>{''.join(rows)}</section>")


def pages(catalog: Catalog, scenario: str) -> int:
    return -(-catalog.scenario(scenario).num_classes // PAGE)


@tab("target", title="Target", order=0)
def build(app: App) -> None:
    catalog, first = app.catalog, PRESETS[0]["config"]
    with gr.Row(elem_classes="wb-pickers"):
        scenario = gr.Dropdown(catalog.scenarios(), value=first.scenario, label="Scenario", filterable=False,
                               elem_id="target-scenario")
        arch = gr.Dropdown(catalog.targets(first.scenario), value=first.target, label="Target", filterable=False,
                           elem_id="target-arch")
        page = gr.Slider(1, max(2, pages(catalog, first.scenario)), 1, step=1, label="Page of the gallery", buttons=[],
                         visible=pages(catalog, first.scenario) > 1)
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=360):
            card = gr.HTML(apply_default_css=False, elem_id="target-card")
            attacker = gr.HTML(apply_default_css=False, elem_id="target-known")
        with gr.Column(scale=1, min_width=420):
            images = gr.HTML(apply_default_css=False, elem_id="target-gallery")

    def show(key: str, name: str) -> dict[Any, Any]:
        return {card: model_card(catalog, key, name), attacker: known(catalog, key), images: gallery(catalog, key, 1)}

    def other(key: str) -> dict[Any, Any]:
        name, count = SCENARIOS[key].default_target, pages(catalog, key)
        return {arch: gr.Dropdown(catalog.targets(key), value=name),
                page: gr.Slider(1, max(2, count), 1, visible=count > 1), **show(key, name)}

    quiet = dict(show_progress="hidden", api_visibility="private", concurrency_limit=4)
    app.when_opened("target", show, [scenario, arch], [card, attacker, images], **quiet)
    scenario.input(other, scenario, [arch, page, card, attacker, images], **quiet)
    arch.input(lambda key, name: model_card(catalog, key, name), [scenario, arch], card, **quiet)
    page.change(lambda key, n: gallery(catalog, key, int(n)), [scenario, page], images, **quiet | LIGHT)
