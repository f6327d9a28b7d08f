"""Study: people judge what runs reconstructed. The desk of who runs a study; raters have pages of their own."""

from __future__ import annotations

import gradio as gr

from workbench.ui.shell import App, drawn_by, tab


@tab("study", title="Study", order=5)
def build(app: App) -> None:
    gr.HTML(
        value={},
        html_template='<div class="wb-study" data-testid="study"></div>',
        apply_default_css=False,
        js_on_load=drawn_by("study/desk", "desk"),
        elem_id="study",
    )
