"""Federated: participants train, somebody looks on, and what an update or a round gives away."""

from __future__ import annotations

import gradio as gr

from workbench.ui.shell import App, drawn_by, tab


@tab("federated", title="Federated", order=6)
def build(app: App) -> None:
    gr.HTML(
        value={},
        html_template='<div class="wb-federated" data-testid="federated"><p class="wb-note">One moment …</p></div>',
        apply_default_css=False,
        js_on_load=drawn_by("federated/desk", "desk"),
        elem_id="federated",
    )
