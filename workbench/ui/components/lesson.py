"""The guided lesson, which `assets/lesson/` draws beside the stage once somebody asks for it."""

from __future__ import annotations

import gradio as gr

from workbench.ui.shell import drawn_by


def component() -> gr.HTML:
    """Return the lesson's place; empty until it is opened."""
    return gr.HTML(
        html_template='<aside class="wb-lesson" data-testid="lesson" aria-label="Guided lesson" hidden></aside>',
        js_on_load=drawn_by("lesson/lesson", "lesson"),
        apply_default_css=False,
        elem_id="lesson",
    )
