"""The page: header, tabs, footer, and the event by which a browser follows a run."""

from __future__ import annotations

from typing import Any

import gradio as gr

from workbench.core.errors import StoreError
from workbench.core.paths import ASSETS
from workbench.ui.components import live
from workbench.ui.shell import FIRST_TAB, LIGHT, TABS, App

HEAD = """
<link rel="icon" href="/wb/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/wb/assets/app.css">
<link rel="stylesheet" href="/wb/assets/live.css">
<link rel="stylesheet" href="/wb/assets/prior.css">
<script type="module" src="/wb/assets/app.js"></script>
"""


def build(app: App) -> gr.Blocks:
    """Return the interface; every registered tab is built from what `app` holds."""
    with gr.Blocks(
        title="Model Inversion Workbench", analytics_enabled=False, fill_width=True, delete_cache=(600, 3600)
    ) as page:
        gr.HTML((ASSETS / "header.html").read_text(), apply_default_css=False, elem_id="header")
        app.run = gr.Textbox(visible="hidden", elem_id="shown-run", label="Shown run")
        app.view = live.component()
        app.view.unrender()
        follow = live.attacher(app)
        app.ended = app.run.change(
            follow,
            app.run,
            app.view,
            show_progress="hidden",
            concurrency_limit=None,
            trigger_mode="multiple",
            api_visibility="private",
        )
        with gr.Tabs(selected=FIRST_TAB, elem_id="tabs") as app.tabs:
            for entry in TABS:
                with gr.Tab(entry.title, id=entry.key, elem_id=f"tab-{entry.key}") as app.pages[entry.key]:
                    entry.item(app)
        gr.HTML((ASSETS / "footer.html").read_text(), apply_default_css=False, elem_id="footnote")

        def open_linked(request: gr.Request) -> dict[Any, Any]:
            run = request.query_params.get("run", "")
            try:
                return {app.run: app.store.folder(run).id if run else gr.skip()}
            except StoreError as error:
                gr.Warning(str(error), title="Not found")
                return {app.run: gr.skip()}

        page.load(open_linked, None, [app.run], **LIGHT | {"queue": True})  # the query is known to queued events only
    return page
