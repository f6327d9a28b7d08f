"""The page: header, tabs, footer, and the event by which a browser follows a run."""

from __future__ import annotations

from typing import Any

import gradio as gr

from workbench.core.paths import ASSETS
from workbench.ui.components import live
from workbench.ui.shell import FIRST_TAB, TABS, App

HEAD = """
<link rel="icon" href="/wb/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/wb/assets/app.css">
<link rel="stylesheet" href="/wb/assets/live.css">
<link rel="stylesheet" href="/wb/assets/prior.css">
<script type="module" src="/wb/assets/app.js"></script>
"""

FORGET = """run => {
  const address = new URL(location.href);
  if (run || !address.searchParams.has("run")) return;
  address.searchParams.delete("run");
  history.replaceState(history.state, "", address);
}"""


def build(app: App) -> gr.Blocks:
    """Return the interface; every registered tab is built from what `app` holds."""
    with gr.Blocks(
        title="Model Inversion Workbench", analytics_enabled=False, fill_width=True, delete_cache=(600, 3600)
    ) as app.page:
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

        def open_linked(request: gr.Request) -> Any:
            linked = request.query_params.get("run", "")
            if not linked:
                return gr.skip()
            if app.has_run(linked):
                return linked
            gr.Warning(f"There is no run '{linked[:60]}' in this store. It may have been deleted.", title="Not found")
            return ""

        # An address that leads nowhere is not kept: it would be handed on, and come back at every reload.
        app.when_loaded(open_linked, None, app.run).then(None, app.run, None, js=FORGET)
    return app.page
