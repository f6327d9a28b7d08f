"""Whose runs are whose: a browser's are its own, a presenter's are all, and everybody may watch."""

from __future__ import annotations

import ast
import asyncio
import json
import stat
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from workbench.analysis.background import BackgroundJob
from workbench.analysis.prior_explorer import PriorChoice
from workbench.core.errors import Incompatible, NotYours, StoreError, UsageError
from workbench.core.paths import ROOT
from workbench.core.records import Fork, RunState, TrainingConfig
from workbench.core.web.hosts import ServedNames
from workbench.engine.presets import default_config
from workbench.runs.store import RunStore
from workbench.ui.components.news import News
from workbench.ui.routes import catalog, live, priors
from workbench.ui.server import add_guards
from workbench.ui.shell import App
from workbench.ui.tabs.invert_handlers import InvertHandlers
from workbench.ui.visitors import NOBODY, Visitor, Visitors, visitor_of
from workbench.workers.protocol import Do
from workbench.workers.scheduler import Going, Scheduler

TOKEN = "correct horse"
ANNA, BEN = Visitor("browser-" + "a" * 32), Visitor("browser-" + "b" * 32)
PRESENTER = Visitor("browser-" + "c" * 32, presenter=True)
CONFIG = default_config("digits", "random", classes=[0])


def asking(visitor: Visitor) -> Any:
    """Return a request by a visitor, as Gradio hands it on."""
    return SimpleNamespace(request=SimpleNamespace(state=SimpleNamespace(visitor=visitor)))


@pytest.fixture
def app(tmp_path) -> App:
    store = RunStore(tmp_path / "runs")
    return App(store, Scheduler(store))  # no worker: what is queued waits


@pytest.fixture
def site(tmp_path) -> FastAPI:
    """Return a server of the guards alone, that says who asks."""
    server = FastAPI()
    add_guards(server, ServedNames.of("127.0.0.1", 80), Visitors(tmp_path, token=TOKEN))

    def who(request: Request) -> dict[str, Any]:
        visitor = visitor_of(request)
        return {"owner": visitor.owner, "presenter": visitor.presenter}

    server.add_api_route("/", who)
    server.add_api_route("/wb/who", who)
    server.add_api_route("/gradio_api/reset", who, methods=["POST"])
    return server


def browser(site: FastAPI) -> TestClient:
    return TestClient(site, base_url="http://127.0.0.1", follow_redirects=False)


COMMANDS = {
    "pause": lambda app, run, who: app.pause(run, who),
    "resume": lambda app, run, who: app.resume(run, who),
    "step": lambda app, run, who: app.step(run, who),
    "set a knob": lambda app, run, who: app.set_knob(run, "batch", 8, who),
    "rename": lambda app, run, who: app.rename(run, "mine now", who),
    "fork": lambda app, run, who: app.submit(replace(CONFIG, fork=Fork(run, 0)), who),
    "stop": lambda app, run, who: app.stop(run, who),
    "delete": lambda app, run, who: app.delete(run, who),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("who", [asking(BEN), asking(NOBODY), None], ids=["another browser", "no cookie", "no request"])
def test_anothers_run_can_only_be_watched(app, command, who):
    run = app.submit(CONFIG, asking(ANNA))
    with pytest.raises(NotYours, match="belongs to somebody else; you can watch it"):
        COMMANDS[command](app, run, who)
    assert app.store.summary(run).state is RunState.QUEUED and not app.store.summary(run).name
    assert app.scheduler.status()["queued"] == [run]


@pytest.mark.parametrize("who", [ANNA, PRESENTER], ids=["its owner", "a presenter"])
def test_who_may_change_a_run_can(app, who):
    run, request = app.submit(CONFIG, asking(ANNA)), asking(who)
    for command in (app.pause, app.resume, app.step):
        command(run, request)
    app.rename(run, "named", request)
    assert app.store.summary(run).name == "named"
    app.stop(run, request)
    assert app.store.summary(run).state is RunState.STOPPED
    app.delete(run, request)
    with pytest.raises(StoreError):
        app.store.folder(run)


def test_a_training_has_an_owner_too(app):
    config = TrainingConfig("prior", "digits", "gan")
    run = app.store.create_training(config, owner=ANNA.owner).id
    for command in (app.stop, app.delete):
        with pytest.raises(NotYours):
            command(run, asking(BEN))
    assert app.mine(run, asking(ANNA)) and not app.mine(run, asking(BEN))


@pytest.mark.parametrize("owner", ["command line", "grid", "", "k3j2h1g5f4"])
def test_what_no_browser_started_is_for_this_machine_and_for_a_presenter(tmp_path, owner):
    here, shared = Visitors(tmp_path, token=TOKEN), Visitors(tmp_path, token=TOKEN, shared=True)
    assert here.may_change(BEN, owner) and here.may_change(PRESENTER, owner)
    assert not shared.may_change(BEN, owner) and shared.may_change(PRESENTER, owner)


def test_the_live_view_says_whether_a_run_is_ours(app):
    run = app.submit(CONFIG, asking(ANNA))
    for visitor in (ANNA, BEN):
        answer = asyncio.run(live.news(run, asking(visitor), app, News(app)))
        assert json.loads(answer.body)["status"]["mine"] is (visitor is ANNA)


def test_what_the_live_view_asks_for_is_refused_to_who_may_only_watch(app):
    run = app.submit(CONFIG, asking(ANNA))
    for do in ("pause", "resume", "step", "stop", "set"):
        with pytest.raises(NotYours):
            live.command(run, live.RunCommand(do=do, values={"lr": 0.1}), asking(BEN), app)


def test_going_on_from_anothers_run_by_its_view_is_refused(app):
    run, do = app.submit(CONFIG, asking(ANNA)), InvertHandlers(app.catalog, app.store, app)
    (app.store.folder(run).path / "frames" / "000000.safetensors").write_bytes(b"")
    with pytest.raises(NotYours):
        do.fork({"run": run, "frame": 0}, asking(BEN))
    assert do.fork({"run": run, "frame": 0}, asking(ANNA))["run"]["value"] != run


def test_the_status_says_whether_what_runs_is_for_who_asks_to_stop(app):
    run = app.submit(CONFIG, asking(ANNA))
    assert catalog.status(app, asking(ANNA))["mine"] is False, "nothing runs"
    app.scheduler._going = Going(app.scheduler._turns.waiting.pop(), 0.0)
    said = {who: catalog.status(app, asking(who)) for who in (ANNA, BEN, PRESENTER)}
    assert {who: status["mine"] for who, status in said.items()} == {ANNA: True, BEN: False, PRESENTER: True}
    assert said[BEN]["running"] == run
    app.store.index.remove(run)
    assert catalog.status(app, asking(ANNA))["mine"] is False


def test_a_presenter_takes_the_place_of_anothers_run_and_others_do_not(app):
    run = app.submit(CONFIG, asking(ANNA))
    app.scheduler._going = Going(app.scheduler._turns.waiting.pop(), 0.0)
    app.submit(CONFIG, asking(BEN))
    with pytest.raises(Incompatible, match="somebody else"):
        app.submit_instead(CONFIG, asking(BEN))
    app.scheduler._command = lambda run, do, *_: stopped.append((run, do))
    stopped: list[Any] = []
    mine = app.submit_instead(CONFIG, asking(PRESENTER))
    assert app.scheduler.status()["queued"][0] == mine and stopped == [(run, Do.STOP)]


def test_a_search_of_a_prior_ends_for_who_asked_for_it_alone(app, monkeypatch):
    searching = BackgroundJob("running")
    monkeypatch.setattr(app.explorer.searches, "start", lambda key, work: searching)
    monkeypatch.setattr(app.explorer.searches, "get", lambda key: searching)
    asked = (PriorChoice("digits", "gan"), [0, 1], False)

    def may(visitor: Visitor) -> bool:
        return json.loads(priors.reach(asked[0], app, asking(visitor).request, "0-1").body)["mine"]

    app.search_reach(*asked, asking(ANNA))
    with pytest.raises(NotYours, match="by somebody else"):
        app.end_reach(*asked, asking(BEN))
    assert (may(ANNA), may(BEN), may(PRESENTER)) == (True, False, True)
    app.search_reach(*asked, asking(BEN))
    app.end_reach(*asked, asking(ANNA))
    assert not searching.stopping, "another still wants it"
    app.end_reach(*asked, asking(BEN))
    assert searching.stopping


def test_a_presenter_ends_any_search_of_a_prior(app, monkeypatch):
    searching = BackgroundJob("running", owners={ANNA.owner})
    monkeypatch.setattr(app.explorer.searches, "get", lambda key: searching)
    app.end_reach(PriorChoice("digits", "gan"), [0, 1], False, asking(PRESENTER))
    assert searching.stopping


def test_only_the_facade_changes_runs():
    """A tab that went past it would forget to ask whose run it is."""
    guarded = {"pause", "resume", "step", "stop", "set_knob", "submit", "train", "update", "delete", "clear"}
    for path in sorted((ROOT / "workbench" / "ui").rglob("*.py")):
        if path.name == "shell.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute):
                assert not (node.value.attr in ("scheduler", "store") and node.attr in guarded), (
                    f"{path.name}:{node.lineno} changes runs without asking whose they are"
                )


# Cookies


def test_a_reload_and_another_tab_are_the_same_browser(site):
    anna, ben = browser(site), browser(site)
    first = anna.get("/")
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and first.json()["owner"].startswith("browser-")
    again, event = anna.get("/"), anna.post("/gradio_api/reset")
    assert again.json() == event.json() == first.json() and "set-cookie" not in again.headers
    assert ben.get("/").json()["owner"] != first.json()["owner"]


def test_who_sends_an_event_first_owns_what_it_starts(site):
    client = browser(site)
    assert client.post("/gradio_api/reset").json() == client.get("/wb/who").json()


def test_what_may_be_kept_by_others_carries_no_cookie(site):
    answer = browser(site).get("/wb/who")
    assert "set-cookie" not in answer.headers and answer.json() == {"owner": "", "presenter": False}


@pytest.mark.parametrize("change", [lambda c: c[:-1] + ("0" if c[-1] != "0" else "1"), lambda c: c.partition(".")[0]])
def test_a_forged_cookie_is_nobodys(site, change):
    anna = browser(site)
    owner = anna.get("/").json()["owner"]
    (name, value), mallory = next(iter(anna.cookies.items())), browser(site)
    mallory.cookies.set(name, change(value))
    assert mallory.get("/").json()["owner"] not in ("", owner)


@pytest.mark.parametrize("header", ["x", "a=b; =; ;;", 'wb="', "wb-browser-00000000=browser-é.1", "\xff=\xff"])
def test_a_senseless_cookie_is_nobodys(site, header):
    assert browser(site).get("/wb/who", headers={"Cookie": header.encode("latin-1")}).json()["owner"] == ""


def test_a_link_makes_a_presenter_and_leaves_no_token_in_the_address(site):
    client = browser(site)
    answer = client.get("/", params={"presenter": TOKEN, "run": "0412-gmi"})
    assert answer.status_code == 303 and answer.headers["location"] == "/?run=0412-gmi"
    assert "HttpOnly" in answer.headers["set-cookie"] and TOKEN not in str(answer.headers)
    assert client.get("/").json()["presenter"] is True and client.get("/wb/who").json()["presenter"] is True


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + " ", "é"])
def test_a_wrong_token_makes_none(site, token):
    client = browser(site)
    answer = client.get("/", params={"presenter": token})
    assert answer.status_code == 403 and answer.json()["error"] and "set-cookie" not in answer.headers
    assert client.get("/").json()["presenter"] is False


def test_without_a_token_there_is_no_presenter(tmp_path):
    visitors = Visitors(tmp_path)
    assert not visitors.known({visitors.presenter_cookie: visitors.presenter_pass()}).presenter
    with pytest.raises(UsageError, match="8 or more"):
        Visitors(tmp_path, token="short")


def test_another_token_shuts_out_old_presenters(tmp_path):
    old, new = Visitors(tmp_path, token=TOKEN), Visitors(tmp_path, token="another horse")
    held = {old.presenter_cookie: old.presenter_pass()}
    assert old.known(held).presenter and not new.known(held).presenter


def test_the_secret_is_the_stores_own_and_nobody_elses_to_read(tmp_path):
    first, again = Visitors(tmp_path), Visitors(tmp_path)
    owner = first.new()
    assert again.known({again.browser_cookie: owner}).owner == owner.partition(".")[0]
    assert stat.S_IMODE((tmp_path / ".secret").stat().st_mode) == 0o600
    (tmp_path / "other").mkdir()
    other = Visitors(tmp_path / "other")
    assert other.browser_cookie != first.browser_cookie, "two servers at one address share a browser's cookies"
    assert other.known({other.browser_cookie: owner}).owner == ""


def test_a_damaged_secret_is_named(tmp_path):
    (tmp_path / ".secret").write_bytes(b"")
    with pytest.raises(StoreError, match=r"\.secret is damaged"):
        Visitors(tmp_path)
