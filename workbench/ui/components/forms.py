"""Controls that Gradio has no component for, each drawn by a function of the page's own scripts."""

from __future__ import annotations

from typing import Any

import gradio as gr

from workbench.ui.shell import drawn_by


def custom(kind: str, value: dict[str, Any], *, label: str, elem_id: str) -> gr.HTML:
    """Return a control drawn by the function `kind` of `assets/forms/<kind>.js`."""
    return gr.HTML(
        value=value,
        html_template=f'<div class="wb-{kind}"></div>',
        js_on_load=drawn_by(f"forms/{kind}", kind),
        apply_default_css=False,
        label=label,
        elem_id=elem_id,
    )


def part(kind: str, elem_id: str) -> gr.HTML:
    """Return a part of a tab, drawn by the function `kind` of `assets/prior/<kind>.js`."""
    return gr.HTML(
        value={},
        html_template=f'<div class="wb-{kind}" data-testid="{kind}"></div>',
        apply_default_css=False,
        js_on_load=drawn_by(f"prior/{kind}", kind),
        elem_id=elem_id,
    )
