"""The page: header, tabs, footer, and the event by which it turns to a run."""

from __future__ import annotations

from typing import Any

import gradio as gr

from workbench.core.paths import ASSETS
from workbench.ui.components import live
from workbench.ui.shell import FIRST_TAB, LIGHT, TABS, App

HEAD = """
<link rel="icon" href="/wb/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/wb/assets/app.css">
<link rel="stylesheet" href="/wb/assets/live.css">
<link rel="stylesheet" href="/wb/assets/lesson.css">
<link rel="stylesheet" href="/wb/assets/prior.css">
<link rel="stylesheet" href="/wb/assets/compare.css">
<link rel="stylesheet" href="/wb/assets/study/desk.css">
<link rel="stylesheet" href="/wb/assets/judge/judge.css">
<link rel="stylesheet" href="/wb/assets/federated/desk.css">
<link rel="stylesheet" href="/wb/assets/split/split.css">
<link rel="stylesheet" href="/wb/assets/attributes/attributes.css">
<script>
// What the page is laid out for is known from the start: a linked run, a lesson, the size of its type.
{
  const asked = new URL(location.href).searchParams, {dataset} = document.documentElement;
  dataset.run = asked.get("run") ? "queued" : "none";
  if (asked.get("lesson")) dataset.lesson = "";
  try { dataset.size = asked.get("size") || localStorage.getItem("wb-size") || "normal"; } catch { dataset.size = "normal"; }
}
</script>
<script type="module" src="/wb/assets/app.js"></script>
"""

# In the page alone: whatever is shown is asked for from there, so that turning to a run waits for nothing.
SHOW = "run => { import('/wb/assets/live/main.js').then(m => m.follow(run)); }"


def build(app: App) -> gr.Blocks:
    """Return the interface; every registered tab is built from what `app` holds."""
    with gr.Blocks(
        title="Model Inversion Workbench", analytics_enabled=False, fill_width=True, delete_cache=(600, 3600)
    ) as app.page:
        gr.HTML((ASSETS / "header.html").read_text(), apply_default_css=False, elem_id="header")
        app.run = gr.Textbox(visible="hidden", elem_id="shown-run", label="Shown run")
        app.view = live.component()
        app.view.unrender()
        app.run.change(None, app.run, None, js=SHOW)
        app.ended = app.view.end(lambda: None, None, None, **LIGHT)
        with gr.Tabs(selected=FIRST_TAB, elem_id="tabs", overflow_behavior="wrap") as app.tabs:
            for entry in TABS:
                with gr.Tab(entry.title, id=entry.key, elem_id=f"tab-{entry.key}") as app.pages[entry.key]:
                    entry.item(app)
        gr.HTML((ASSETS / "footer.html").read_text(), apply_default_css=False, elem_id="footnote")

        def open_linked(request: gr.Request) -> Any:
            """Say to the other tabs which run a link opens; the live view reads the link itself, and says what is wrong."""
            linked = request.query_params.get("run", "")
            return linked if app.has_run(linked) else gr.skip()

        app.when_loaded(open_linked, None, app.run)
    return app.page
