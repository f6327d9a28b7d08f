"""What a page that watches a run is told."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from workbench.core.errors import StoreError
from workbench.core.records import RunState
from workbench.engine.presets import default_config
from workbench.runs.progress import progress, remaining, seconds_left
from workbench.runs.run_folder import RunFolder
from workbench.runs.store import RunStore
from workbench.scenarios import SCENARIOS
from workbench.ui.components import news
from workbench.ui.components.news import TEXTS, News, Seen, piece
from workbench.ui.routes import live
from workbench.ui.routes.services import serve_from
from workbench.ui.shell import App
from workbench.workers.scheduler import Scheduler


@pytest.fixture
def app(tmp_path: Path) -> App:
    store = RunStore(tmp_path)
    return App(store, Scheduler(store))  # not started: nothing runs here


@pytest.fixture
def folder(app: App) -> RunFolder:
    config = default_config("faces", "gmi", classes=[3, 5])
    return app.store.create(config, owner="", shape=SCENARIOS["faces"].input_shape)


def told(answers: News, folder: RunFolder, seen: Any = "") -> dict[str, Any] | None:
    return asyncio.run(answers.answer(folder.id, Seen.of(str(seen)), wait=0.1))


def frame(folder: RunFolder, number: int, step: int, seconds: float) -> None:
    """Record a frame by hand."""
    if number == 0:
        folder.append("curves.csv", "frame,step,seconds,queries,confidence,identity")
    folder.append("curves.csv", f"{number},{step},{seconds},{step * 2},0.5,1.5")
    folder.append("path.csv", f"{number},0,0,0,1,1,1")
    (folder.path / "frames" / f"{number:06d}.jpg").write_bytes(b"sheet")
    (folder.path / "frames" / "latest").write_text(str(number))


def test_a_run_that_waits_tells_who_it_will_look_for(app: App, folder: RunFolder) -> None:
    found = told(News(app), folder)
    assert [c["label"] for c in found["scene"]["candidates"]] == ["person 03", "person 05"]
    assert found["scene"]["sheet"]["tile"] == [64, 64]
    assert found["scene"]["pairs"]
    assert found["scene"].get("space") is None
    assert (found["frame"], found["sheet"], found["status"]["state"]) == (None, "", "queued")


def test_a_run_that_began_without_true_pictures_shows_no_pairs(app: App, folder: RunFolder) -> None:
    folder.write_json("scene.json", {"total": 3, "space": "z", "cloud": []})
    assert not told(News(app), folder)["scene"]["pairs"]
    (folder.path / "truth.webp").write_bytes(b"sheet")
    assert told(News(app), folder)["scene"]["pairs"]


def test_nothing_new_is_nothing_told(app: App, folder: RunFolder) -> None:
    answers = News(app)
    first = told(answers, folder)
    assert told(answers, folder, first["seen"]) is None


def test_whose_a_run_is_is_read_once_however_many_watch(client: TestClient, app: App, folder: RunFolder) -> None:
    asked: list[str] = []
    read = app.store.summary
    app.store.summary = lambda run: (asked.append(run), read(run))[1]
    for _ in range(5):
        assert client.get(f"/wb/runs/{folder.id}/news").json()["status"]["mine"] is True
    assert asked == [folder.id]


def test_each_line_is_told_once(app: App, folder: RunFolder) -> None:
    answers, seen, lines = News(app), "", []
    for number in range(5):
        frame(folder, number, number, number / 2)
        found = told(answers, folder, seen)
        seen = found["seen"]
        lines += found["curves"].splitlines()
        assert ("scene" in found) == (number == 0), "what stays the same is told once"
    assert lines == (folder.path / "curves.csv").read_text().splitlines()
    late = told(answers, folder)
    assert late["curves"] == (folder.path / "curves.csv").read_text(), "who comes late gets everything"


def test_what_the_attack_is_doing_is_told_when_it_changes(app: App, folder: RunFolder) -> None:
    answers = News(app)
    folder.append("notes.csv", "0,0,searches, once")
    first = told(answers, folder)
    assert first["status"]["note"] == "searches, once"
    folder.append("notes.csv", "0,0,judges")
    assert told(answers, folder, first["seen"])["status"]["note"] == "judges"


def test_a_line_that_is_still_being_written_is_told_once_it_is_whole(folder: RunFolder) -> None:
    path = folder.path / "curves.csv"
    path.write_text("frame,step\n0,1\n1,")
    assert piece(folder, "curves.csv", 0) == b"frame,step\n0,1\n"
    path.write_text("frame,step\n0,1\n1,2\n")
    assert piece(folder, "curves.csv", 15) == b"1,2\n"


def test_a_long_text_comes_in_pieces_at_once(app: App, folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news, "PIECE", 100)
    for number in range(40):
        frame(folder, number, number, number)
    answers, seen, text = News(app), "", ""
    while (found := told(answers, folder, seen)) is not None:
        text, seen = text + found["curves"], found["seen"]
    assert text == (folder.path / "curves.csv").read_text()


@pytest.mark.parametrize("text", ["x", "a.b.1.2", "a.b.1.2.3.-4", "a.b.1.2.3.٣", "a.b.1.2.3." + "9" * 40, "....."])
def test_what_makes_no_sense_counts_as_having_nothing(text: str) -> None:
    assert Seen.of(text) == Seen()


def test_what_a_page_has_survives_the_way_there_and_back() -> None:
    seen = Seen("a1", "b2", tuple(range(len(TEXTS))))
    assert Seen.of(str(seen)) == seen


def test_a_run_that_is_not_there_is_said(app: App, folder: RunFolder) -> None:
    answers = News(app)
    seen = told(answers, folder)["seen"]
    app.store.update(folder.id, RunState.STOPPED, reason="")
    app.store.delete(folder.id)
    with pytest.raises(StoreError, match="deleted"):
        asyncio.run(answers.answer(folder.id, Seen.of(seen)))


def test_speed_and_what_is_left_come_from_the_last_frames(folder: RunFolder) -> None:
    assert progress(folder) == {}
    assert seconds_left(folder) is None
    frame(folder, 0, 0, 0.0)
    assert progress(folder)["rate"] is None
    for number in range(1, 1000):
        frame(folder, number, number, number / 4)
    found = progress(folder)
    assert (found["step"], found["queries"], found["rate"]) == (999, 1998, 4.0)
    folder.write_json("scene.json", {"total": 1099})
    assert seconds_left(folder) == pytest.approx(25)
    assert remaining(5, 5, 4.0) is None
    assert remaining(5, 9, None) is None


@pytest.fixture
def client(app: App) -> TestClient:
    server = FastAPI()
    serve_from(server, app)
    server.state.news = News(app)
    server.include_router(live.router)
    return TestClient(server)


def test_a_question_is_answered_once_with_what_is_new(client: TestClient, folder: RunFolder) -> None:
    first = client.get(f"/wb/runs/{folder.id}/news")
    assert first.headers["cache-control"] == "no-store"
    assert client.get(f"/wb/runs/{folder.id}/news", params={"seen": first.json()["seen"]}).status_code == 204
    assert client.get("/wb/runs/0101-000000-gmi-ffff/news").status_code == 404


@pytest.mark.parametrize("body", [{"do": "delete"}, {"do": "__init__"}, {}, {"do": "set", "values": 3}])
def test_a_command_that_there_is_not_is_refused(client: TestClient, folder: RunFolder, body: dict[str, Any]) -> None:
    assert client.post(f"/wb/runs/{folder.id}/commands", json=body).status_code == 400


def test_a_form_of_another_site_commands_nothing(client: TestClient, folder: RunFolder) -> None:
    body, kind = json.dumps({"do": "stop"}), {"Content-Type": "text/plain"}  # what a form can send unasked
    assert client.post(f"/wb/runs/{folder.id}/commands", content=body, headers=kind).status_code == 400


def test_a_knob_that_is_not_live_is_refused_in_words(client: TestClient, folder: RunFolder) -> None:
    answer = client.post(f"/wb/runs/{folder.id}/commands", json={"do": "set", "values": {"steps": 4}})
    assert "cannot change while a run is going" in answer.json()["error"]
