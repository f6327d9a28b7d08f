"""The real application on a free port, and a Chromium that reports whatever a page does wrong."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.processes import free_port
from workbench.core.paths import models_dir

ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=SpareRendererForSitePerProcess",  # a process that waits for a next page takes a second here
]
DESKTOP = (1440, 900)
# The sign that Gradio shows while it loads leaves its clock running when it goes: sixty frames a second as long as the page
# is open, a tenth of a core. The workbench shows no clock, and no test misses it.
NO_CLOCK = r"""{ const ask = window.requestAnimationFrame.bind(window), clock = /^\(\)=>\{\w+\(\w+,\(performance\.now\(\)-/;
    window.requestAnimationFrame = act => clock.test(act) ? 0 : ask(act); }"""
CARDS = "preset-eight-faces"  # the part of a page by which it is known to be there
AT_REST = "Data"  # a tab that asks for nothing and draws nothing while it is shown
STARTING = 300  # seconds after which something is wrong, however busy the machine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(STARTING + 900))  # the first test of a process starts the application


@dataclass(frozen=True)
class Served:
    """The application; `elsewhere` is the port of this machine where it may ask a target called ``bank``."""

    url: str
    port: int
    runs: Path
    elsewhere: int

    def get(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        """Return status, body and headers of a page of the application."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=30) as answer:
                return answer.status, answer.read(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), dict(error.headers)


LEFT_OUT = "conditional-gan"  # the application has not got this prior, so that there is something to train


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    runs, port, elsewhere = tmp_path_factory.mktemp("runs"), free_port(), free_port()
    said = (tmp_path_factory.mktemp("log") / "app.log").open("w+")
    models = tmp_path_factory.mktemp("weights") / "models"  # a copy, for trainings write into it
    shutil.copytree(models_dir(), models, ignore=shutil.ignore_patterns(".*", f"prior-{LEFT_OUT}*"))
    process = subprocess.Popen(
        [
            sys.executable,
            "app.py",
            "--port",
            str(port),
            "--runs",
            str(runs),
            "--device",
            "cpu",
            "--endpoint",
            f"bank=http://127.0.0.1:{elsewhere}/",
        ],
        cwd=ROOT,
        stdout=said,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, "WORKBENCH_MODELS": str(models)},
    )
    app = Served(f"http://127.0.0.1:{port}", port, runs, elsewhere)
    try:
        end = time.monotonic() + STARTING
        while True:
            try:
                if b'"ready"' in app.get("/wb/status")[1]:
                    break
            except OSError:
                pass
            if process.poll() is not None or time.monotonic() > end:
                said.seek(0)
                pytest.fail(f"the application did not start:\n{said.read()}")
            time.sleep(0.3)
        yield app
    finally:
        process.send_signal(signal.SIGINT)  # Ctrl-C
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            pytest.fail("Ctrl-C did not end the application")
        finally:
            said.close()


@pytest.fixture(scope="package")
def chromium() -> Iterator:
    playwright = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as api:
        browser = api.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """One page, and what went wrong on it."""

    page: object
    faults: list[str] = field(default_factory=list)


class Visits:
    """Opens the application in browser contexts of their own, and closes them."""

    def __init__(self, served: Served, chromium: Any) -> None:
        self.served, self.chromium = served, chromium
        self.contexts: list[Any] = []
        self.kept: Visit | None = None

    def __call__(
        self,
        query: str = "",
        size: tuple[int, int] = DESKTOP,
        late: float = 0,
        script: str = "",
        moving: bool = False,
    ) -> Visit:
        """Open a page; what moves by itself, and takes the next test's time, moves only where a test looks at it."""
        url = self.served.url
        context = self.chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, reduced_motion="no-preference" if moving else "reduce"
        )
        self.contexts.append(context)
        visited = Visit(context.new_page())
        page, faults = visited.page, visited.faults
        page.set_default_timeout(120_000)
        page.on("pageerror", lambda error: faults.append(f"page error: {error}"))
        page.on(
            "console", lambda m: faults.append(f"console: {m.text} {m.location['url']}") if m.type == "error" else None
        )
        page.on(
            "request",
            lambda r: None if r.url.startswith((url, "data:", "blob:")) else faults.append(f"outside request: {r.url}"),
        )
        context.add_init_script(NO_CLOCK + script)
        if late:  # each script comes so many seconds after it was asked for
            page.route("**/wb/assets/**/*.js", lambda route: (time.sleep(late), route.continue_()))
        page.goto(f"{url}/{query}")
        page.get_by_test_id(CARDS).wait_for()
        return visited

    def close(self, leave: int = 0) -> None:
        """Close the contexts that were opened last, until so many are left."""
        while len(self.contexts) > leave:
            self.contexts.pop().close()


@pytest.fixture(scope="module")
def visit(served: Served, chromium: object) -> Iterator[Visits]:
    """Return what opens the application in a browser context of its own; all close with the file."""
    visits = Visits(served, chromium)
    yield visits
    visits.close()


@pytest.fixture(scope="package")
def standing(served: Served, chromium: object) -> Iterator[Visits]:
    """Return what opens the page that stands through all files."""
    visits = Visits(served, chromium)
    yield visits
    visits.close()


@pytest.fixture(scope="module")
def everyday(request: pytest.FixtureRequest, standing: Visits) -> Iterator[Visit]:
    """Return the page that stands open through all files, at Invert; a page takes longer to load than most tests.

    Nothing is run on it, and who turns its settings puts them back. After a failure the next file gets a new one.
    """
    failed = request.session.testsfailed
    if not standing.contexts:
        standing.kept = standing()
    visited = standing.kept
    visited.faults.clear()
    tabs = visited.page.locator("#tabs")
    tabs.get_by_role("tab", name="Invert", exact=True).click()
    yield visited
    if request.session.testsfailed > failed:
        standing.close()
    else:
        tabs.get_by_role("tab", name=AT_REST, exact=True).click()


@pytest.fixture(autouse=True)
def _closed_after_its_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Close what a test itself opened; pages go on drawing, and take the next test's time. What a module opened stays."""
    visits = request.getfixturevalue("visit") if "visit" in request.fixturenames else None
    before = len(visits.contexts) if visits else 0
    yield
    if visits:
        visits.close(leave=before)
