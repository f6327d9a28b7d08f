"""What a person does with the interface, in a real browser, against real runs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from urllib.parse import parse_qs, urlparse

import pytest

from tests.e2e.conftest import ROOT, Served, Visit

TABS = ("Target", "Prior", "Invert", "Split", "Judge", "Compare", "Study", "Attributes", "Federated", "Data", "Runs")
# Cards may come, or the page be at rest, only after it was said that there is no such run; returns once an example is read.
CARDS_COME_LATE = """async () => {
    const [{page, setCards}, {exampleOf}] = await Promise.all(
        ["state", "live/example"].map(name => import(`/wb/assets/${name}.js`)));
    setCards(page.cards);
    await new Promise(requestIdleCallback);
    await exampleOf(page.cards.find(card => card.example).key);
}"""
ENDED = ".wb-live[data-state=finished], .wb-live[data-state=stopped], .wb-live[data-state=failed]"


def turn_to(page, title: str) -> None:
    page.locator("#tabs").get_by_role("tab", name=title, exact=True).click()


def state(page) -> str:
    return page.locator(".wb-live").get_attribute("data-state")


def points(page) -> int:
    """Return how many points the confidence curve shows."""
    return page.evaluate("document.querySelector('.wb-curves .wb-plot')?.data?.[1]?.x.length ?? 0")


def contrast(page, where: str) -> list[int]:
    """Return the range of grey of each canvas."""
    return page.evaluate(
        """where => [...document.querySelectorAll(where)].map(c => {
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let lo = 255, hi = 0;
        for (let i = 0; i < d.length; i += 4) { lo = Math.min(lo, d[i]); hi = Math.max(hi, d[i]); } return hi - lo; })""",
        where,
    )


def rested(look: Callable[[], object], seconds: float = 1.5) -> object:
    """Return what `look` sees once it has seen the same for so long; what the server knows may be drawn later."""
    seen, since = look(), time.monotonic()
    while time.monotonic() < since + seconds:
        time.sleep(0.1)
        if (now := look()) != seen:
            seen, since = now, time.monotonic()
    return seen


def until(look: Callable[[], object], seconds: float = 120, why: str = "it did not happen") -> object:
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, why
        time.sleep(0.1)
    return found


def run_of(page) -> str:
    """Return the run in the page's address; asks the page, because `page.url` is not updated while we wait."""
    return parse_qs(urlparse(page.evaluate("location.href")).query).get("run", [""])[0]


def step(page) -> int:
    text = page.locator("[data-fig=step]").inner_text().split("/")[0].replace(",", "").strip()
    return int(text) if text.isdigit() else -1


def field(page, label: str):
    """Return the field of this name that is shown; other tabs may have one of the same name."""
    return page.get_by_label(label, exact=True).locator("visible=true")


SHIFTS = """window.shifts = 0; new PerformanceObserver(list => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value;
}).observe({type: "layout-shift", buffered: true});"""


def shifts_while_loading(page) -> float:
    """Return by how much the page has moved until it is there, and begin to count anew."""
    page.locator("body.wb-there").wait_for()
    until(lambda: page.locator(".wb-class").count() == 40)
    return page.evaluate("() => { const found = window.shifts; window.shifts = 0; return found; }")


@pytest.fixture(scope="module")
def shown(visit: Callable[..., Visit]) -> dict:
    """One click on the first card, followed to the end by two browsers."""
    first = visit(script=SHIFTS, moving=True)
    page = first.page
    loading = shifts_while_loading(page)
    page.get_by_test_id("preset-eight-faces").click()
    until(lambda: points(page) > 1, seconds=150)  # a first run loads its models before it has any
    shifts = loading, page.evaluate("window.shifts")
    page.get_by_test_id("card").first.wait_for()
    run = until(lambda: run_of(page))
    until(lambda: points(page) > 3)
    second = visit(f"?run={run}")
    second.page.get_by_test_id("card").first.wait_for()
    until(lambda: points(second.page) > 3)
    together = state(page), state(second.page)
    turn_to(second.page, "Runs")  # the view goes on while another tab is open
    for visited in (first, second):
        visited.page.locator(ENDED).wait_for(timeout=200_000, state="attached")
    return {"first": first, "second": second, "run": run, "together": together, "shifts": shifts}


def test_the_page_stays_where_it_is(shown: dict) -> None:
    loading, pressed = shown["shifts"]
    assert loading < 0.1, "while it loads"
    assert pressed < 0.1, "from a first press to the first points"


def test_one_click_shows_faces_and_ends(shown: dict) -> None:
    page = shown["first"].page
    assert state(page) == "finished"
    until(lambda: page.get_by_test_id("card").count() == 8)
    until(lambda: len(shades := contrast(page, ".wb-card canvas")) == 16 and min(shades) > 40, why="a picture is blank")
    until(lambda: "Recognised by Face ResNet" in page.get_by_test_id("verdict").inner_text())


def test_two_browsers_watch_one_run(shown: dict, served: Served) -> None:
    assert shown["together"] == ("running", "running")
    lines = (served.runs / shown["run"] / "curves.csv").read_text().splitlines()[1:]
    turn_to(shown["second"].page, "Invert")
    for name in ("first", "second"):
        page = shown[name].page
        until(lambda page=page: points(page) == len(lines), why=f"{name}: {points(page)} of {len(lines)} points")
    shown["second"].page.close()


def test_plots_are_extended_and_never_drawn_anew(shown: dict) -> None:
    counts = shown["first"].page.evaluate("import('/wb/assets/counters.js').then(m => m.counters)")
    assert counts["newPlot"] == 2
    assert counts["react"] == 0
    assert counts["extend"] > 4
    assert not shown["first"].page.get_by_test_id("axis-queries").is_visible(), (
        "steps are all that a white-box attack counts"
    )


def test_judge_shows_the_metrics(shown: dict) -> None:
    page = shown["first"].page
    turn_to(page, "Judge")
    table = page.get_by_test_id("metrics")
    until(lambda: "floor" in (text := table.inner_text()) and "Attack accuracy" in text)
    until(lambda: page.locator(".wb-judged").count() == 8)
    turn_to(page, "Invert")


def test_arrows_scrub_through_the_frames(shown: dict) -> None:
    page = shown["first"].page
    page.locator(".wb-legend").click()
    newest = int(page.locator(".wb-live").get_attribute("data-shown"))
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    until(lambda: page.locator(".wb-live").get_attribute("data-frame") == str(newest - 3))
    until(lambda: "step" in page.get_by_test_id("frame").inner_text())
    page.keyboard.press("End")
    until(lambda: page.locator(".wb-live").get_attribute("data-shown") == str(newest))


def test_a_face_is_enlarged_and_closed(shown: dict) -> None:
    page = shown["first"].page
    page.get_by_test_id("card").first.click()
    until(lambda: page.locator(".wb-zoom canvas").count() >= 2)
    page.keyboard.press("Escape")
    until(lambda: not page.locator(".wb-zoom").is_visible())


def test_downloads(shown: dict, served: Served) -> None:
    from io import BytesIO

    from PIL import Image

    run = shown["run"]
    status, body, headers = served.get(f"/wb/runs/{run}/sheet.png")
    assert (status, headers["cache-control"]) == (200, "no-store")
    with Image.open(BytesIO(body)) as image:
        assert json.loads(image.text["workbench"])["config"]["attack"] == "ppa"
    with Image.open(BytesIO(served.get(f"/wb/runs/{run}/frames.gif")[1])) as image:
        assert image.n_frames > 3
    assert json.loads(served.get(f"/wb/runs/{run}/run.json")[1])["id"] == run
    assert served.get(f"/wb/runs/{run}/result.safetensors")[0] == 200
    assert served.get(f"/wb/runs/{run}/truth.webp")[2]["cache-control"] == "no-store"


@pytest.fixture(scope="module")
def lost(visit: Callable[..., Visit]) -> Visit:
    """A page opened by a link to a run that never was; it serves as any other."""
    visited = visit("?run=0101-000000-gmi-ffff&__theme=light")
    visited.page.get_by_text("There is no run '0101-000000-gmi-ffff'").first.wait_for()
    visited.faults.clear()  # the browser's own word of what is not there
    return visited


def test_a_wrong_link_says_so_and_is_not_kept(lost: Visit) -> None:
    until(lambda: run_of(lost.page) == "", why="an address that leads nowhere is kept")
    assert "__theme=light" in lost.page.evaluate("location.href")
    lost.page.evaluate(CARDS_COME_LATE)
    assert lost.page.locator(".wb-empty").is_visible(), "a card's example covers what is said"


def test_pause_step_turn_a_knob_resume_stop(lost: Visit, served: Served) -> None:
    page = lost.page
    steps = page.locator("#knob-steps")
    steps.fill("5000")
    steps.press("Enter")
    until(page.locator("#run-button").is_disabled, why="Run would start with other steps than the field shows")
    steps.fill("2000")
    steps.press("Enter")
    until(page.locator("#run-button").is_enabled)
    page.keyboard.press("Control+Enter")
    page.get_by_test_id("card").first.wait_for()
    until(lambda: step(page) > 3, seconds=150)
    page.locator(".wb-legend").click()
    page.keyboard.press("Space")
    until(lambda: state(page) == "paused")
    before = rested(lambda: step(page))
    curves = served.runs / run_of(page) / "curves.csv"
    recorded = curves.read_text()
    time.sleep(1)
    assert step(page) == before and curves.read_text() == recorded, "it went on while paused"
    page.keyboard.press(".")
    until(lambda: step(page) == before + 1, why="a single step is exactly one")
    rate = page.locator("#knob-lr")
    rate.fill("0.05")
    rate.press("Enter")
    until(lambda: page.locator("#knob-truncation").is_disabled(), why="only live knobs may be turned during a run")
    page.locator(".wb-legend").click()
    page.keyboard.press("Space")
    until(lambda: step(page) > before + 3)
    until(
        lambda: page.evaluate("import('/wb/assets/state.js').then(m => m.page.view.curves.marks.length)") == 1,
        why="the turned knob is not marked",
    )
    page.keyboard.press("Escape")
    until(lambda: state(page) == "stopped")
    run = run_of(page)
    manifest = json.loads((served.runs / run / "run.json").read_text())
    assert manifest["config"]["knobs"]["steps"] == 2000
    assert lost.faults == []


def test_a_fork_goes_on_from_the_frame_shown(shown: dict, served: Served) -> None:
    page = shown["first"].page
    page.get_by_test_id("fork").click()
    until(lambda: run_of(page) not in ("", shown["run"]))
    run = run_of(page)
    assert json.loads((served.runs / run / "run.json").read_text())["config"]["fork"]["run"] == shown["run"]
    until(lambda: step(page) > 0, why="the fork did not start")
    page.get_by_test_id("stop").click()
    until(lambda: state(page) == "stopped", why="the fork did not stop")


def test_runs_are_renamed_compared_and_deleted(shown: dict, served: Served) -> None:
    page, run = shown["first"].page, shown["run"]
    turn_to(page, "Runs")
    line = page.locator(f"tr[data-run='{run}']")
    line.wait_for()
    line.get_by_text("More").click()
    line.get_by_text("Rename").click()
    line.get_by_label("New name").fill("<b>first</b>")
    line.get_by_label("New name").press("Enter")
    until(lambda: "<b>first</b>" in line.inner_text(), why="a name is text, not markup")
    line.get_by_text("More").click()
    line.get_by_text("Rename").click()
    line.get_by_label("New name").fill("half a na")
    listed = page.evaluate("document.querySelector('.wb-runs table').dataset.stale = 'yes'")
    turn_to(page, "Judge")
    turn_to(page, "Runs")
    until(lambda: not page.locator(f".wb-runs table[data-stale={listed}]").count(), why="the list is not read anew")
    assert line.get_by_label("New name").input_value() == "half a na", "a new list throws away what is being typed"
    line.get_by_label("New name").press("Escape")
    line.get_by_text("More").click()
    line.get_by_text("Rename").wait_for()
    page.keyboard.press("Escape")
    until(lambda: not line.get_by_text("Rename").is_visible(), why="Escape does not close the menu")
    boxes = page.locator(".wb-choose input")
    assert not page.get_by_role("button", name="Compare", exact=True).is_visible()
    for at in (0, 1):
        boxes.nth(at).check()
    page.get_by_role("button", name="Compare", exact=True).click()
    until(lambda: "Attack accuracy" in page.get_by_test_id("pair").inner_text(), why="Compare does not show the two")
    turn_to(page, "Runs")
    page.get_by_role("button", name="Choose none").click()
    search = page.get_by_label("Search runs")
    search.fill("no-such-run")
    page.get_by_text('Nothing is called "no-such-run"').wait_for()
    search.fill("")
    line.wait_for()
    other = page.locator("tr[data-state=stopped]").first
    doomed = other.get_attribute("data-run")
    other.get_by_text("More").click()
    other.get_by_text("Delete", exact=True).click()
    other.get_by_text("Really delete?").click()
    until(lambda: not (served.runs / doomed).exists())
    until(lambda: page.locator(f"tr[data-run='{doomed}']").count() == 0, why="the line outlived its run")


def test_a_run_is_run_again_once_by_a_double_click(shown: dict, served: Served) -> None:
    page, run = shown["first"].page, shown["run"]
    turn_to(page, "Runs")
    earlier = run_of(page)
    line, before = page.locator(f"tr[data-run='{run}']"), {path.parent for path in served.runs.glob("*/run.json")}
    line.get_by_text("More").click()
    line.get_by_text("Run again").dblclick()
    until(lambda: run_of(page) not in ("", earlier))
    again = json.loads((served.runs / run_of(page) / "run.json").read_text())
    assert again["config"] == json.loads((served.runs / run / "run.json").read_text())["config"]
    page.get_by_test_id("stop").click()
    until(lambda: state(page) == "stopped")
    turn_to(page, "Runs")
    page.locator(f"tr[data-run='{run_of(page)}']").wait_for()
    assert {path.parent for path in served.runs.glob("*/run.json")} - before == {served.runs / run_of(page)}


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_every_tab_is_quiet_and_fits(request: pytest.FixtureRequest, theme: str) -> None:
    visited = (
        request.getfixturevalue("everyday")
        if theme == "light"
        else request.getfixturevalue("visit")("?__theme=dark", (1024, 768))
    )
    page = visited.page
    for title in TABS:
        turn_to(page, title)
        time.sleep(0.7)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{title} scrolls sideways"
    turn_to(page, "Target")
    page.locator(".wb-strip img").first.wait_for()
    until(lambda: page.get_by_role("heading", level=1).count() == 1)
    assert visited.faults == []


def test_help_opens_with_a_key(everyday: Visit) -> None:
    page = everyday.page
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Help").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog", name="Help").wait_for(state="hidden")


@pytest.mark.parametrize(
    "path",
    [
        "/wb/runs/nothing/truth.webp",
        "/wb/runs/..%2f..%2fetc/run.json",
        "/wb/runs/%2e%2e/frames/0.jpg",
        "/wb/scenarios/nowhere/classes.webp",
        "/wb/scenarios/faces/private/99.webp",
        "/wb/assets/..%2fapp.py",
        "/wb/assets/live/../../app.py",
        "/wb/assets/tables/table-white-box.json",
        "/wb/assets/live/%2e%2e/%2e%2e/app.py",
    ],
)
def test_what_is_not_there_is_refused(served: Served, path: str) -> None:
    status, body, _ = served.get(path)
    assert status in (400, 404)
    assert b"root:" not in body


def test_headers_keep_the_page_to_itself(served: Served) -> None:
    headers = {k.lower(): v for k, v in served.get("/")[2].items()}
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.slow
def test_a_port_in_use_is_said(served: Served) -> None:
    done = subprocess.run(
        [sys.executable, "app.py", "--port", str(served.port)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr
