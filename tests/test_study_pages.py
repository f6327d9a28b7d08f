"""A rater's page and the desk of who runs a study, asked as a browser asks them."""

from __future__ import annotations

import csv
import io
import json

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from study_cases import a_run, a_study, use_tiny

from workbench.core.web.hosts import ServedNames
from workbench.runs.store import RunStore
from workbench.study.folder import STUDY_ID
from workbench.ui.server import add_guards, add_routes
from workbench.ui.shell import App
from workbench.ui.visitors import Visitors
from workbench.workers.scheduler import Scheduler

HERE, TOKEN = "http://127.0.0.1:7860", "correct horse"


@pytest.fixture
def app(tmp_path, monkeypatch) -> App:
    use_tiny(monkeypatch)
    store = RunStore(tmp_path / "runs")
    app = App(store, Scheduler(store))  # no worker: nothing is run here
    app.visitors = Visitors(store.root, token=TOKEN, shared=True)
    return app


@pytest.fixture
def server(app) -> FastAPI:
    server = FastAPI()
    add_guards(server, ServedNames.of("127.0.0.1", 7860), app.visitors)
    add_routes(server, app)

    @server.get("/")
    def page() -> dict[str, str]:
        return {}

    return server


def browser(server: FastAPI, query: str = "") -> TestClient:
    """Return a browser that has opened the application's page."""
    client = TestClient(server, base_url=HERE, raise_server_exceptions=False, follow_redirects=False)
    client.get(f"/{query}")
    return client


@pytest.fixture
def desk(server, app) -> tuple[TestClient, str]:
    """Return a browser that made a study, and the study's id."""
    client, run = browser(server), a_run(app.store, "1125-one")
    answer = client.post("/wb/studies", json={"runs": [run], "trials": 6, "title": "Against PPA"})
    assert answer.status_code == 200, answer.text
    return client, answer.json()["id"]


def rater(server: FastAPI, study: str) -> TestClient:
    client = TestClient(server, base_url=f"{HERE}/study/{study}", raise_server_exceptions=False)
    assert client.post("/join", json={}).status_code == 200
    return client


def answer(client: TestClient, trial: int, pressed: str = "yes", rt: float = 900):
    return client.post("/answers", json={"trial": trial, "pressed": pressed, "rt": rt})


# Raters


def test_a_rater_comes_by_a_link_and_goes_on_after_a_reload(server, desk):
    _, study = desk
    client = TestClient(server, base_url=f"{HERE}/study/{study}")
    page = client.get("")
    assert page.status_code == 200 and "rate.js" in page.text and page.headers["cache-control"] == "no-store"
    before = client.get("/state").json()
    assert not before["joined"] and before["question"].startswith("Does picture A show the same person")
    joined = client.post("/join", json={})
    cookie = joined.headers["set-cookie"]
    assert "HttpOnly" in cookie and "samesite=lax" in cookie.lower() and f"Path=/study/{study}" in cookie
    assert answer(client, 0).json()["done"] == 1 and answer(client, 1, "skip").json()["done"] == 2
    again = client.get("/state").json()
    assert again["done"] == 2 and again["trial"]["index"] == 2 and again["rater"] == joined.json()["rater"]
    assert client.post("/join", json={}).json()["rater"] == again["rater"], "who joins twice is one rater"
    assert client.post("/undo", json={}).json()["done"] == 1


def test_nothing_that_a_rater_gets_tells_what_a_picture_is(server, desk, app):
    _, study = desk
    client = rater(server, study)
    found = client.get("/state").json()
    texts = [client.get("").text, json.dumps(found), str(client.get("/pictures/0/0.png").headers)]
    for word in ("1125", "PPA", "gmi", "person 0", "held-out", "sample", "catch", "recon", "evaluator"):
        assert not any(word in text for text in texts), word
    picture = client.get("/pictures/0/4.png")
    assert picture.headers["content-type"] == "image/png" and picture.content.startswith(b"\x89PNG")
    assert "private" in picture.headers["cache-control"] and client.get("/pictures/2/0.png").status_code == 400


def test_a_forged_cookie_is_nobodys_and_one_of_another_study_is_none(server, desk, app):
    maker, study = desk
    client = rater(server, study)
    other = maker.post("/wb/studies", json={"runs": ["1125-one"]}).json()["id"]
    (name, value) = next((name, value) for name, value in client.cookies.items() if name.startswith("wb-rater"))
    for forged in (value[:-1] + ("0" if value[-1] != "0" else "1"), value.partition(".")[0], "r-0.x", ""):
        stranger = TestClient(server, base_url=f"{HERE}/study/{study}", cookies={name: forged})
        assert not stranger.get("/state").json()["joined"] and answer(stranger, 0).status_code == 404
    moved = TestClient(server, base_url=f"{HERE}/study/{other}", cookies={f"wb-rater-{other}": value})
    assert not moved.get("/state").json()["joined"]


def test_what_a_rater_may_not_send_is_refused_in_a_sentence(server, desk):
    _, study = desk
    client = rater(server, study)
    assert answer(client, 0, rt=10).status_code == 400 and "at least" in answer(client, 0, rt=10).json()["error"]
    assert (
        "comes first" in answer(client, 3).json()["error"] and "no answer" in answer(client, 0, "left").json()["error"]
    )
    for body in ({"trial": -1, "pressed": "yes", "rt": 900}, {"trial": 0, "pressed": "y" * 50, "rt": 900}, {}, []):
        assert client.post("/answers", json=body).status_code == 400
    large = client.post("/answers", content=b" " * 5000, headers={"Content-Type": "application/json"})
    assert large.status_code == 413 and "4 KB" in large.json()["error"]
    foreign = client.post("/join", json={}, headers={"Origin": "http://evil.example"})
    assert foreign.status_code == 403 and client.get("", headers={"Host": "evil.example"}).status_code == 421


def test_an_ended_link_says_so(server, desk):
    maker, study = desk
    client = rater(server, study)
    maker.post(f"/wb/studies/{study}/end", json={})
    late = answer(client, 0)
    assert late.status_code == 400 and "has ended" in late.json()["error"] and client.get("/state").json()["ended"]
    new = TestClient(server, base_url=f"{HERE}/study/{study}")
    assert new.get("/state").json()["ended"] and new.post("/join", json={}).status_code == 400
    gone = TestClient(server, base_url=HERE).get("/study/abcdefghjk")
    assert gone.status_code == 404 and "no such study" in gone.text


# The desk


def test_who_made_a_study_sees_who_comes_and_nothing_of_what_they_say(server, desk):
    maker, study = desk
    assert STUDY_ID.fullmatch(study)
    client = rater(server, study)
    answer(client, 0)
    found = maker.get(f"/wb/studies/{study}").json()
    assert found["answers"] == 1 and [each["done"] for each in found["raters"]] == [1] and found["alone"]
    assert found["link"] == f"{HERE}/study/{study}" and "response" not in json.dumps(found)
    assert maker.get(f"/wb/studies/{study}/qr.svg").text.startswith("<svg")
    listed = maker.get("/wb/studies").json()
    assert [each["title"] for each in listed["studies"]] == ["Against PPA"] and len(listed["tasks"]) == 4
    lines = list(csv.DictReader(io.StringIO(maker.get(f"/wb/studies/{study}/answers.csv").text)))
    assert [line["response"] for line in lines] == ["yes"]
    assert len(maker.get(f"/wb/studies/{study}/answers.json").json()["trials"]) == 1
    findings = maker.get(f"/wb/studies/{study}/findings.json").json()
    assert findings["raters"] == 1 and len(findings["shown"]["1125-one"]) == 6
    assert maker.get(f"/wb/studies/{study}/pictures/{findings['shown']['1125-one'][0]}.png").status_code == 200
    rater_id = found["raters"][0]["id"]
    assert maker.delete(f"/wb/studies/{study}/raters/{rater_id}").json() == {"answers": 1}
    assert not client.get("/state").json()["joined"], "who was deleted is not known any more"


def test_another_browser_runs_no_study_of_somebody_elses_and_a_presenter_runs_all(server, desk):
    _, study = desk
    other, presenter = browser(server), browser(server, f"?presenter={TOKEN}")
    paths = ["", "/findings.json", "/answers.csv", "/answers.json", "/qr.svg", "/pictures/0.png"]
    for path in paths:
        refused = other.get(f"/wb/studies/{study}{path}")
        assert refused.status_code == 403 and "somebody else" in refused.json()["error"]
        assert presenter.get(f"/wb/studies/{study}{path}").status_code == 200
    assert other.post(f"/wb/studies/{study}/end", json={}).status_code == 403
    assert other.delete(f"/wb/studies/{study}/raters/r-1").status_code == 403
    assert other.get("/wb/studies").json()["studies"] == [] and presenter.get("/wb/studies").json()["studies"]


def test_a_study_that_cannot_be_made_says_why(server, desk, app):
    maker, _ = desk
    a_run(app.store, "1125-digits", scenario="digits")
    for asked, said in (
        ({"runs": ["1125-one", "1125-digits"]}, "runs of one scenario"),
        ({"runs": ["1125-gone"]}, "no run '1125-gone'"),
        ({"runs": ["1125-one"], "task": "closer"}, "another run"),
        ({"runs": ["1125-one"], "trials": 10**6}, "out of range"),
        ({"runs": []}, "runs"),
        ({"runs": ["1125-one"], "task": "guess"}, "task"),
    ):
        refused = maker.post("/wb/studies", json=asked)
        assert refused.status_code in (400, 404) and said in refused.json()["error"]


def test_a_study_of_the_command_line_is_a_presenters_on_a_shared_server(server, app):
    study = a_study(app.store)
    assert browser(server).get(f"/wb/studies/{study.id}").status_code == 403
    assert browser(server, f"?presenter={TOKEN}").get(f"/wb/studies/{study.id}").status_code == 200
    study.close()
