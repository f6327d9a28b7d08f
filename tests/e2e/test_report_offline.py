"""A run's report, opened from a file by a browser that may ask for nothing."""

from __future__ import annotations

from pathlib import Path

from recorded import record

from workbench.engine.presets import default_config
from workbench.reports.html import report_html
from workbench.runs.store import RunStore

from .test_interface import until

CONFIG = default_config("faces", "mi-face", target="softmax", classes=[0, 3], device="cpu")


def grey(page, which: int) -> int:
    """Return the grey level in the middle of a picture on the page."""
    return page.evaluate(
        "i => [...document.querySelectorAll('canvas')][i].getContext('2d').getImageData(8, 8, 1, 1).data[0]", which
    )


def test_a_report_opens_without_a_network_and_its_slider_moves_the_faces(chromium: object, tmp_path: Path) -> None:
    folder = record(RunStore(tmp_path), CONFIG, [True, False], name="<b>mine</b>")
    file = tmp_path / "report.html"
    file.write_text(report_html(folder))
    context = chromium.new_context(viewport={"width": 390, "height": 800}, offline=True)
    asked, faults = [], []
    page = context.new_page()
    page.route("**/*", lambda route: route.continue_() if route.request.url == file.as_uri() else route.abort())
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    try:
        page.goto(file.as_uri())
        until(lambda: page.locator("html[data-ready=true]").count() == 1, why="the report's script did not run")
        assert page.locator("h1").inner_text() == "<b>mine</b>"
        assert "Recognised by both face judges: 1 of 2" in page.locator("#verdict").inner_text()
        last = grey(page, 1)
        slider = page.get_by_label("Recorded frame")
        slider.focus()
        page.keyboard.press("Home")
        until(lambda: "frame 0" in page.locator("#where").inner_text())
        assert grey(page, 1) < 20 < 235 < last and abs(grey(page, 0) - 128) < 8, "the private image stays"
        assert page.locator("#curves svg").count() == 2, "the loss and the target's confidence"
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, "it is wider than a phone"
        assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()] and faults == []
    finally:
        context.close()
