"""Target: what is attacked, what it learned from, and what the attacker knows."""

from __future__ import annotations

import time
from dataclasses import replace
from html import escape
from typing import Any

import gradio as gr

from workbench.core.errors import UsageError, WorkbenchError
from workbench.core.knobs import configure, values_of
from workbench.defenses.not_applicable import NOT_APPLICABLE
from workbench.defenses.plan import DEFENSES, Part, Plan
from workbench.defenses.store import target_problem
from workbench.engine.presets import PRESETS
from workbench.scenarios import SCENARIOS
from workbench.ui.catalog import SAMPLES, Catalog
from workbench.ui.comparison import comparison, percent
from workbench.ui.components.forms import custom, part
from workbench.ui.routes.trainings import target_training
from workbench.ui.settings import spec_of
from workbench.ui.shell import COMMAND, LIGHT, QUIET, App, tab, told

PAGE = 10  # classes on a page of the gallery


def trouble(error: WorkbenchError) -> str:
    return f'<div class="wb-problem"><p>{escape(str(error))}</p></div>'


def plan_text(training: str | None, output: str | None, knobs: dict[str, Any], around: dict[str, Any]) -> str:
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
    except WorkbenchError as error:
        return trouble(error)
    facts = [
        ("Accuracy, training images", percent(card.get("train_accuracy"))),
        ("Accuracy, unseen images", percent(card.get("heldout_accuracy"))),
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
        f'<section class="wb-card-text"><h2>What the attacker knows</h2><p>{escape(place.public_source)}.</p>'
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
        f"{escape(place.private_source)}. Left of the line: the target was trained on these. Right of it: held "
        f"out, it never saw them.</p>{''.join(rows)}</section>"
    )


def pages(catalog: Catalog, scenario: str) -> int:
    return -(-catalog.scenario(scenario).num_classes // PAGE)


@tab("target", title="Target", order=0)
def build(app: App) -> None:
    catalog, first = app.catalog, PRESETS[0].config
    with gr.Row(elem_classes="wb-pickers"):
        scenario = gr.Dropdown(
            catalog.scenarios(), value=first.scenario, label="Scenario", filterable=False, elem_id="target-scenario"
        )
        arch = gr.Dropdown(
            catalog.targets(first.scenario), value=first.target, label="Target", filterable=False, elem_id="target-arch"
        )
        training = gr.Dropdown(
            defense_choices("training"),
            value="none",
            label="Training defense",
            filterable=False,
            elem_id="target-training",
        )
        output = gr.Dropdown(
            defense_choices("output"), value="none", label="Output defense", filterable=False, elem_id="target-output"
        )
        page = gr.Slider(
            1,
            max(2, pages(catalog, first.scenario)),
            1,
            step=1,
            label="Gallery page",
            buttons=[],
            visible=pages(catalog, first.scenario) > 1,
        )
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=360):
            with gr.Row(elem_id="target-knobs", elem_classes="wb-card-text", visible=False) as panels:
                knobs = custom("knobs", {}, label="Knobs", elem_id="training-knobs")
                around = custom("knobs", {}, label="Knobs", elem_id="output-knobs")
            chance = part("training", "target-training-part")
            compared = gr.HTML(apply_default_css=False, elem_id="target-compared")
            attack = gr.Button("Attack this target", elem_id="target-attack", visible=False)
            attacker = gr.HTML(apply_default_css=False, elem_id="target-known")
            gr.HTML(elsewhere(), apply_default_css=False)
        with gr.Column(scale=1, min_width=420):
            images = gr.HTML(apply_default_css=False, elem_id="target-gallery")
            card = gr.HTML(apply_default_css=False, elem_id="target-card")

    asked = gr.State(())  # what the comparison is of
    chosen = [scenario, arch, training, output, knobs, around]
    wait = '<section class="wb-card-text" aria-busy="true"><p class="wb-note">Asking the target about images it never saw …</p></section>'

    def named(key: str, name: str, *given: Any) -> tuple[str, str, str]:
        return key, name, plan_text(given[0], given[1], given[2] or {}, given[3] or {})

    def show(before: tuple[str, ...], *given: Any) -> dict[Any, Any]:
        """Show what is known at once; `measure` asks the target, which may take seconds."""
        with told():
            key, name, defense = now = named(*given)
            return {
                card: model_card(catalog, key, name, defense),
                chance: trainable(key, name, defense),
                asked: now,
                compared: gr.skip() if now == tuple(before) else wait,
                attack: gr.Button(visible=target_problem(key, name, defense) is None),
            }

    def measure(*given: Any) -> str:
        with told():
            return comparison(*named(*given))

    def other(before: tuple[str, ...], key: str, _: str, *given: Any) -> dict[Any, Any]:
        name, count = SCENARIOS[key].default_target, pages(catalog, key)
        return {
            arch: gr.Dropdown(catalog.targets(key), value=name),
            page: gr.Slider(1, max(2, count), 1, visible=count > 1),
            attacker: known(catalog, key),
            images: gallery(catalog, key, 1),
            **show(before, key, name, *given),
        }

    def panel(inside: Part | None, outside: Part | None) -> dict[Any, Any]:
        knobbed = [
            defense_knobs(part.key if part else "none", stage, part and part.defense)
            for part, stage in ((inside, "training"), (outside, "output"))
        ]
        return {knobs: knobbed[0], around: knobbed[1], panels: gr.Row(visible=any(k["spec"] for k in knobbed))}

    def pick(before: tuple[str, ...], key: str, name: str, inside: str, outside: str) -> dict[Any, Any]:
        shown = panel(*(Part(k, DEFENSES[k]()) if k != "none" else None for k in (inside, outside)))
        return {**shown, **show(before, key, name, inside, outside, shown[knobs], shown[around])}

    def revisit(
        before: tuple[str, ...],
        key: str,
        name: str,
        inside: str,
        outside: str,
        within: Any,
        beyond: Any,
        request: gr.Request,
    ) -> dict[Any, Any]:
        """Show what the pickers say, or the target of the training that was asked for elsewhere."""
        put: dict[Any, Any] = {}
        wanted = app.wanted.get(request.session_hash or "")
        if wanted is not None and wanted.what == "target":
            del app.wanted[request.session_hash or ""]
            key, name, plan = wanted.scenario, wanted.target, Plan.of(wanted.defense)
            inside, outside = (part.key if part else "none" for part in (plan.training, plan.output))
            put = {
                scenario: key,
                arch: gr.Dropdown(catalog.targets(key), value=name),
                training: inside,
                output: outside,
                **panel(plan.training, plan.output),
            }
            within, beyond = put[knobs], put[around]
        return {
            attacker: known(catalog, key),
            images: gallery(catalog, key, 1),
            **put,
            **show(before, key, name, inside, outside, within, beyond),
        }

    def act(event: gr.EventData, request: gr.Request) -> None:
        """Do what the training part's buttons ask for; it then asks for the news itself."""
        with told():
            if event.do == "train":
                app.train(target_training(event.scenario, event.victim, str(event.defense)[:200]), request)
            elif event.do == "stop":
                app.stop(app.store.training(event.run).id, request)
            else:
                raise UsageError("There is no such action.")

    def aim(key: str, name: str, inside: str, outside: str, within: Any, beyond: Any, request: gr.Request) -> gr.Tabs:
        """Turn to Invert, set to this target."""
        with told():
            app.aimed[request.session_hash or ""] = named(key, name, inside, outside, within, beyond)
        return gr.Tabs(selected="invert")

    shown, given = [card, chance, compared, attack, asked], [asked, *chosen]
    app.when_opened("target", revisit, given, [*chosen, panels, page, attacker, images, *shown], **QUIET)
    scenario.input(other, given, [arch, page, attacker, images, *shown], **QUIET)
    gr.on([training.input, output.input], pick, given[:5], [knobs, around, panels, *shown], **QUIET)
    gr.on([arch.input, knobs.submit, around.submit, chance.input], show, given, shown, **QUIET)
    chance.change(
        measure, chosen, compared, **QUIET
    )  # one listener for all of these: the newest measurement is the last
    chance.select(act, None, None, **COMMAND)
    attack.click(aim, chosen, app.tabs, **LIGHT)
    page.change(lambda key, n: gallery(catalog, key, int(n)), [scenario, page], images, **LIGHT)
