"""Compare: two runs person by person; attacks against scenarios, defenses or any axes in one table; what protection costs."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from workbench.attacks import ATTACKS, attack_label
from workbench.core.errors import UsageError, WorkbenchError
from workbench.core.records import RunConfig
from workbench.defenses.plan import DEFENSES
from workbench.engine.compatibility import problems
from workbench.grids import GRIDS, GridFile
from workbench.grids.estimate import Estimator
from workbench.grids.fill import adopt
from workbench.grids.own import keep, key_of, own_tables, records_of, refresh, skip, table_of
from workbench.grids.statistics import compare
from workbench.scenarios import SCENARIOS
from workbench.ui.shell import COMMAND, LIGHT, START, App, drawn_by, tab, told
from workbench.ui.tabs.grid_form import plan_from, sentence_of
from workbench.ui.tabs.grid_table import BY_PERSON, METRICS, points, table

MOST_QUEUED = 60
OPEN = ("missing", "failed", "stopped")  # what is run by "Run what is missing"; a registered table's only the first
PRESS = (
    "element.addEventListener('click', e => { const at = n => e.target.closest(`[data-${n}]`)?.dataset[n]; "
    "if (at('pin')) import('/wb/assets/compare/pins.js').then(m => m.pin(at('pin'))); "
    "else if (at('open')) trigger('select', {run: at('open')}); "
    "else if (at('skip')) trigger('select', {skip: at('skip')}); })"
)


def tables(app: App) -> list[tuple[str, str]]:
    """Return (title, key) of every table: those made here first, then those that come with the workbench."""
    return [(f"Yours: {t.title}", t.key) for t in own_tables(app.store.root)] + [(e.title, e.key) for e in GRIDS]


class GridForm:
    """The form of a grid of one's own."""

    def __init__(self) -> None:
        with gr.Accordion("A table of your own", open=False, elem_id="grid-own"):
            with gr.Row(elem_classes="wb-form-row"):
                self.scenario = gr.Dropdown(
                    [(e.title, e.key) for e in SCENARIOS],
                    value="faces",
                    label="Scenario",
                    filterable=False,
                    min_width=200,
                )
                self.classes = gr.Textbox(value="0-7", label="Classes (empty: all)", max_lines=1, min_width=120)
                self.seeds = gr.Textbox(value="0", label="Seeds, averaged", max_lines=1, min_width=120)
            with gr.Row(elem_classes="wb-form-row"):
                self.attacks = gr.Dropdown(
                    [(attack_label(e.key), e.key) for e in ATTACKS],
                    label="Attacks, down",
                    multiselect=True,
                    min_width=280,
                )
                self.defenses = gr.Dropdown(
                    [(e.title, e.key) for e in DEFENSES], label="Defenses, across", multiselect=True, min_width=280
                )
            self.more = gr.Textbox(
                label="More axes: target, prior, restarts, budget, asks, or a knob of the attacks",
                placeholder="target=resnet,cnn; lr=0.01,0.03",
                max_lines=3,
            )
            self.make = gr.Button("Make this table", size="sm", min_width=160, scale=0, elem_id="grid-make")
        self.words = gr.HTML(apply_default_css=False, elem_id="grid-estimate")  # there before the form is opened

    @property
    def inputs(self) -> list[Any]:
        return [self.scenario, self.attacks, self.defenses, self.seeds, self.more, self.classes]


@tab("compare", title="Compare", order=4)
def build(app: App) -> None:
    gr.HTML(
        html_template='<section class="wb-versus" data-testid="pair" aria-label="Two runs person by person" tabindex="-1">'
        "</section>",
        js_on_load=drawn_by("compare/pair", "pair"),
        apply_default_css=False,
        elem_id="pair",
    )
    form = GridForm()
    with gr.Row(elem_classes="wb-pickers"):
        which = gr.Dropdown(
            tables(app),
            value=next(iter(GRIDS)).key,
            label="Table",
            interactive=True,
            filterable=False,
            elem_id="grid-which",
        )
        metric = gr.Dropdown(
            [(title, key) for key, title in METRICS.items()],
            value=next(iter(METRICS)),
            label="Measure",
            interactive=True,
            filterable=False,
            elem_id="grid-metric",
        )
        fill = gr.Button("Run what is missing", size="sm", min_width=160, scale=0, elem_id="grid-fill")
    words = gr.HTML(apply_default_css=False)
    shown = gr.HTML(apply_default_css=False, elem_id="grid-table", js_on_load=PRESS)
    with gr.Row(elem_classes="wb-pickers", elem_id="grid-tests"):
        first, second = (
            gr.Dropdown([], label=label, interactive=True, filterable=False, min_width=200)
            for label in ("Row or column", "against")
        )
        verdict = gr.HTML(apply_default_css=False, elem_id="grid-test")
    plots = gr.HTML(
        value={"points": [], "metric": ""},
        html_template=(
            '<div class="wb-two"><figure><figcaption><b>Privacy against utility</b></figcaption>'
            '<div class="wb-plot" data-plot="scatter" data-testid="scatter"></div></figure>'
            "<figure><figcaption><b>Over strength, or over queries</b></figcaption>"
            '<div class="wb-plot" data-plot="sweep" data-testid="sweep"></div></figure></div>'
        ),
        js_on_load=drawn_by("compare/plots", "compare"),
        apply_default_css=False,
        elem_id="grid-plots",
    )

    def look(key: str, measure: str) -> dict[Any, Any]:
        with told():
            about, file = table_of(key, app.store.root), GridFile.of(app.store.root, key)
            cells = about.cells()
            refresh(cells, file, app.store)
            adopt(cells, file, app.store)
            records = records_of(key, app.store.root)
        count = sum(r["state"] == "finished" for r in records)
        left = sum(r["state"] in OPEN for r in records)
        command = f"<code>python -m workbench grid --preset {escape(key)}</code>"
        here = (
            f"All {count} cells are here; {command} shows them."
            if count == len(records)
            else f"{count} of {len(records)} cells are here. {command} fills the rest."
        )
        names = [*dict.fromkeys(r["row"] for r in records), *dict.fromkeys(r["column"] for r in records)]
        return {
            which: gr.Dropdown(tables(app)),  # its value may have been picked anew before this answer arrives
            words: f'<p class="wb-note">{escape(about.text)} {here}</p>',
            fill: gr.Button(visible=left > 0 if about.own else count < len(records)),
            shown: table(records, about, measure),
            first: gr.Dropdown(names, value=names[0]),
            second: gr.Dropdown(names, value=names[min(1, len(names) - 1)]),
            verdict: test(records, names[0], names[min(1, len(names) - 1)], measure),
            plots: {
                "points": points(records, measure),
                "metric": METRICS[measure],
                "share": measure in BY_PERSON,
                "axis": about.axis,
            },
        }

    outputs = [which, words, fill, shown, first, second, verdict, plots]

    def retest(key: str, measure: str, one: str, other: str) -> str:
        with told():
            return test(records_of(key, app.store.root), str(one), str(other), measure)

    def run_missing(key: str, measure: str, request: gr.Request) -> dict[Any, Any]:
        with told():
            about, file = table_of(key, app.store.root), GridFile.of(app.store.root, key)
            cells = {cell.id: cell for cell in about.cells()}
            wanted = [r for r in records_of(key, app.store.root) if r["state"] in (OPEN if about.own else OPEN[:1])]
            able = [r for r in wanted if not problems(RunConfig.from_json(r["config"]))]
            if not able:
                raise UsageError("Nothing is missing that could run here.")
            for record in able[:MOST_QUEUED]:
                run = app.submit(RunConfig.from_json(record["config"]), request)
                if about.own:
                    file.put(cells[record["id"]], state="queued", run=run, reason="")
            gr.Info(f"{len(able[:MOST_QUEUED])} runs are queued; see Runs.", title="Queued")
        return look(key, measure)

    def press(event: gr.EventData, key: str, measure: str) -> dict[Any, Any]:
        """Open a cell's run in Invert, or leave a cell out."""
        with told():
            asked = dict(event._data)
            if "skip" in asked:
                about = table_of(key, app.store.root)
                if not about.own:
                    raise UsageError("A table that comes with the workbench keeps all its cells.")
                skip(about.cells(), GridFile.of(app.store.root, key), str(asked["skip"]))
                return look(key, measure)
            return {app.run: app.store.folder(str(asked.get("run"))).id, app.tabs: gr.Tabs(selected="invert")}

    estimator = Estimator(app.store)

    def estimate(*said: Any) -> str:
        try:
            sentence = sentence_of(plan_from(*_texts(said)), estimator)
        except WorkbenchError as error:
            sentence = str(error)
        return f'<p class="wb-note" role="status">{escape(sentence)}</p>'

    def make(*said: Any) -> dict[Any, Any]:
        with told():
            plan = plan_from(*_texts(said[:-1]))
            keep(plan, app.store.root)
        return {**look(key_of(plan), said[-1]), which: gr.Dropdown(tables(app), value=key_of(plan))}

    fill.click(run_missing, [which, metric], outputs, **START)
    gr.on([which.input, metric.input], look, [which, metric], outputs, **LIGHT)
    gr.on([first.input, second.input], retest, [which, metric, first, second], verdict, **LIGHT)
    gr.on([control.change for control in form.inputs], estimate, form.inputs, form.words, **LIGHT)
    form.make.click(make, [*form.inputs, metric], outputs, **LIGHT)
    shown.select(press, [which, metric], [app.run, app.tabs, *outputs], **COMMAND)
    app.ended.then(look, [which, metric], outputs, **LIGHT)
    app.when_opened("compare", look, [which, metric], outputs, **LIGHT)


def _texts(said: Any) -> tuple[str, list[str], list[str], str, str, str]:
    """Return what the form sent, of the kinds that it should be of."""
    scenario, attacks, defenses, *texts = said
    chosen = [[str(v) for v in values] if isinstance(values, list) else [] for values in (attacks, defenses)]
    seeds, more, classes = (str(text or "") for text in texts)
    return str(scenario), chosen[0], chosen[1], seeds, more, classes


def test(records: list[dict[str, Any]], first: str, second: str, measure: str) -> str:
    """Return what a test of two rows or columns says, as HTML."""
    by = measure if measure in BY_PERSON else "recognised"
    found = compare(records, first, second, by)
    if found is None:
        said = "A test by person needs two rows, or two columns, with runs that were made here."
    else:
        said = (
            f"{METRICS[by]}: {second} less {first} {100 * found.difference:+.0f} points, p = {found.p:.3g} (signs of "
            f"{found.persons} people permuted, two-sided; a person counts once over seeds)."
        )
    return f'<p class="wb-note" role="status">{escape(said)}</p>'
