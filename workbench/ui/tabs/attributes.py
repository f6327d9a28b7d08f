"""Attributes: what a model of tables gives away of one column of the records that it learned from."""

from __future__ import annotations

import gradio as gr

from workbench.ui.shell import App, drawn_by, tab

# In the page alone: whatever is shown is asked for from there.
SHOW = "run => { import('/wb/assets/attributes/attributes.js').then(m => m.show(run)); }"


@tab("attributes", title="Attributes", order=6)
def build(app: App) -> None:
    gr.HTML(
        value={},
        html_template='<div class="wb-attributes" data-testid="attributes"></div>',
        apply_default_css=False,
        js_on_load=drawn_by("attributes/attributes", "attributes"),
        elem_id="attributes",
    )
    app.inferred = gr.Textbox(visible="hidden", elem_id="shown-inference", label="Shown inference")
    app.inferred.change(None, app.inferred, None, js=SHOW)
