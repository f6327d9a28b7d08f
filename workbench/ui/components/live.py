"""The live view, which `assets/live/` draws. What it shows comes by `workbench.ui.routes.live`."""

from __future__ import annotations

import gradio as gr

from workbench.core.paths import ASSETS
from workbench.ui.shell import drawn_by


def component() -> gr.HTML:
    """Return the live view and its events.

    `submit` starts a fork of a run, ``{"do": "fork", "run": ..., "frame": ...}``; `select` wants the settings of a
    run that was opened, ``{"do": "opened", "run": ...}``; `end` says that the run that is shown has ended.
    """
    return gr.HTML(
        html_template=(ASSETS / "live.html").read_text(),
        js_on_load=drawn_by("live/main", "live"),
        apply_default_css=False,
        elem_id="live",
    )
