"""The application in this process, and a Chromium to watch it with."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_OFFLINE="1")

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-precise-memory-info",
]


# What the page counted, as a promise; also kept where a condition on it can be waited for.
COUNTERS = "import('/wb/assets/counters.js').then(m => (window.counters = m.counters))"


@contextmanager
def application() -> Iterator[tuple[str, Any]]:
    """Yield the address and the scheduler of an application with a run store of its own."""
    import uvicorn

    from workbench.runs.store import RunStore
    from workbench.ui.server import create
    from workbench.ui.shell import App
    from workbench.workers.scheduler import Scheduler

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as runs:
        store = RunStore(Path(runs))
        scheduler = Scheduler(store).start()
        server = uvicorn.Server(
            uvicorn.Config(
                create(App(store, scheduler), "127.0.0.1", port), host="127.0.0.1", port=port, log_level="warning"
            )
        )
        threading.Thread(target=server.run, daemon=True).start()
        while not server.started or scheduler.status()["worker"] != "ready":
            time.sleep(0.1)
        try:
            yield f"http://127.0.0.1:{port}", scheduler
        finally:
            server.should_exit = True
            scheduler.close()


@contextmanager
def page(url: str) -> Iterator[Any]:
    """Yield a page of a fresh Chromium showing `url`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as api:
        browser = api.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        opened = browser.new_page(viewport={"width": 1440, "height": 900})
        opened.goto(url)
        yield opened
        browser.close()


def finished(scheduler: Any, run: str) -> dict[str, Any]:
    """Wait for a run's end; returns its record."""
    while not scheduler.store.summary(run).state.ended:
        time.sleep(0.2)
    return scheduler.store.folder(run).manifest()
