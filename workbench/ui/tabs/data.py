"""Data: pictures of one's own, looked through before anything of them is kept, and made into a scenario."""

from __future__ import annotations

from typing import Any

import gradio as gr

from workbench.analysis.own_data import OwnPictures
from workbench.core.errors import NotYours
from workbench.scenarios.own.store import PERSON
from workbench.scenarios.reading.layout import CLASSES_FROM
from workbench.scenarios.reading.picture import FITTINGS
from workbench.ui.components.forms import custom
from workbench.ui.shell import LIGHT, QUIET, App, How, Request, tab, told
from workbench.ui.tabs.data_handlers import (
    Asked,
    about_set,
    accepted,
    added,
    bad_name,
    entries,
    looked,
    nothing_there,
    report,
    set_choices,
)
from workbench.ui.tabs.data_way import Way

WAIT = '<section class="wb-card-text" aria-busy="true"><p class="wb-note">Reading every picture …</p></section>'
READING: How = {**QUIET, "concurrency_limit": 1}  # seconds to minutes; one at a time is enough for two cores
KEEPING: How = {**READING, "trigger_mode": "multiple"}
FROM = {"auto": "find out", "first": "the first", "last": "the last", "none": "nobody is named"}
SIZES = [("as usual", 0), *((str(n), n) for n in (28, 32, 48, 64, 96, 112, 128, 160, 224, 256))]
NOUNS = ["class", PERSON, "animal", "thing"]
NOTHING_THERE = [("nothing there yet: bring a .zip", "")]
FIT = {"crop": "Cut to the middle", "fit": "Fit between bars"}


class LastLook:
    """What was looked through last, so that accepting it does not read it again; one for the whole server."""

    def __init__(self) -> None:
        self._held: tuple[Asked, OwnPictures] | None = None

    def keep(self, asked: Asked, brought: OwnPictures) -> OwnPictures:
        self._held = (asked, brought)
        return brought

    def of(self, asked: Asked) -> OwnPictures:
        """Return what these controls have found, read now if it is not the last that was looked through."""
        if self._held is not None and self._held[0] == asked:
            return self._held[1]
        return self.keep(asked, looked(asked))

    def forget(self) -> None:
        self._held = None


def ensure_operator(app: App, request: Request | None) -> None:
    """Raise `NotYours` for who only visits: what lies in the data folder is the operator's."""
    if not app.owns("", request):
        raise NotYours(
            "The data folder is for who runs this server. Open the presenter's link, or run it on your own machine."
        )


@tab("data", title="Data", order=7)
def build(app: App) -> None:
    last = LastLook()
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=340, elem_classes="wb-data-form"):
            source = gr.Dropdown(
                NOTHING_THERE, value="", label="Pictures, in the data folder", filterable=False, elem_id="data-source"
            )
            sent = custom("upload", {}, label="A zip archive of pictures", elem_id="data-upload")
            kind = gr.Dropdown(
                set_choices(), value="", label="Data set of the field", filterable=False, elem_id="data-set"
            )
            public = gr.Dropdown([], label="Public pictures, if elsewhere", filterable=False, elem_id="data-public")
            with gr.Row():
                side = gr.Dropdown(SIZES, value=0, label="Pixels across", filterable=False, elem_id="data-side")
                how = gr.Dropdown([(FIT[f], f) for f in FITTINGS], value="crop", label="Other shapes", filterable=False)
            with gr.Row():
                grey = gr.Checkbox(False, label="Grey", elem_id="data-grey")
                classes = gr.Dropdown(
                    [(FROM[c], c) for c in CLASSES_FROM], value="auto", label="Class folder", filterable=False
                )
            private = gr.Textbox(
                "", label="Private classes: how many, or their names", max_lines=1, elem_id="data-private"
            )
            look = gr.Button("Look", variant="primary", elem_id="data-look")
            with gr.Column(visible=False) as making:
                name = gr.Textbox("", label="Name of the scenario", max_lines=1, elem_id="data-name")
                title = gr.Textbox("", label="Title", max_lines=1)
                noun = gr.Dropdown(
                    NOUNS,
                    value=NOUNS[0],
                    label="What one class is called (of persons, a recogniser of faces is the usual target)",
                    allow_custom_value=True,
                    elem_id="data-noun",
                )
                make = gr.Button("Make it a scenario", variant="primary", elem_id="data-make")
            about = gr.HTML(apply_default_css=False)
        with gr.Column(scale=2, min_width=420):
            made = gr.HTML(apply_default_css=False, elem_id="data-made")
            way = Way(app)
            found = gr.HTML(apply_default_css=False, elem_id="data-found")
    controls = [source, kind, public, side, grey, how, classes, private]

    def asked_of(said: tuple[Any, ...]) -> Asked:
        chosen, field, others, pixels, one, fitting, folder, names = said
        return Asked(
            source=str(chosen or ""),
            data_set=str(field or ""),
            public=str(others or ""),
            side=int(pixels or 0),
            grey=bool(one),
            how=str(fitting),
            classes_from=str(folder),
            private=str(names or "")[:4000],
        )

    def opened(chosen: str | None, others: str | None, request: gr.Request) -> dict[Any, Any]:
        if not app.owns("", request):
            return {found: "", look: gr.update(interactive=False)}
        there = entries()
        now = chosen if chosen in there else (there[0] if there else "")
        return {
            source: gr.update(choices=there or NOTHING_THERE, value=now),
            public: gr.update(
                choices=[("in the same place", ""), *((e, e) for e in there)], value=others if others in there else ""
            ),
            look: gr.update(interactive=bool(there)),
            **({} if there else {found: nothing_there()}),
        }

    def arrived(archive: dict[str, Any] | None, others: str | None, request: gr.Request) -> dict[Any, Any]:
        """Choose the archive that was sent."""
        return opened(str((archive or {}).get("name", "")), others, request) | {found: ""}

    def looking(request: gr.Request, *said: Any) -> dict[Any, Any]:
        with told():
            ensure_operator(app, request)
            asked = asked_of(said)
            brought = last.keep(asked, looked(asked))
            return {
                found: report(brought),
                made: "",
                making: gr.update(visible=not brought.plan.problems()),
                title: brought.title,
                noun: brought.noun,
            }

    def keeping(called: str, heading: str, one: str, request: gr.Request, *said: Any) -> dict[Any, Any]:
        with told():
            ensure_operator(app, request)
            if problem := bad_name(called):
                return {made: f'<div class="wb-problem"><p>{problem}</p></div>'}
            asked = asked_of(said)
            scenario = added(asked, last.of(asked), called, heading, one)
            last.forget()
            return {
                made: accepted(scenario),
                making: gr.update(visible=False),
                found: "",
                **way.show(scenario.key),
            }

    look.click(lambda: (WAIT, ""), None, [found, made], **LIGHT).then(
        looking, controls, [found, made, making, title, noun], **READING
    )
    make.click(keeping, [name, title, noun, *controls], [made, making, found, *way.outputs], **KEEPING)
    kind.input(about_set, kind, about, **QUIET)
    sent.submit(arrived, [sent, public], [source, public, look, found], **QUIET)
    app.when_opened("data", opened, [source, public], [source, public, look, found], **QUIET)
    app.when_opened("data", way.show, [way.scenario, way.arch], way.outputs, **QUIET)
