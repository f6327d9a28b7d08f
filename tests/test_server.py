"""The web server's doors: whose name and page it answers to, how much it reads, and which addresses are shut."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from workbench.core.errors import UsageError
from workbench.core.paths import ROOT
from workbench.core.web.hosts import ServedNames, is_loopback, same_site, split_authority
from workbench.engine.presets import default_config
from workbench.runs.store import RunStore
from workbench.ui.server import create
from workbench.ui.shell import App
from workbench.workers.scheduler import Scheduler

HERE = "http://127.0.0.1:7860"
FILE = {"path": "http://name.example/x.png", "meta": {"_type": "gradio.FileData"}}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    store = RunStore(tmp_path_factory.mktemp("runs"))
    return App(store, Scheduler(store))  # no worker: nothing is run here


@pytest.fixture(scope="module")
def server(app: App) -> FastAPI:
    return create(app, allow_hosts=["lab.example", "gate.example:8080"], presenter_token="correct horse")


@pytest.fixture
def client(server: FastAPI) -> TestClient:
    return TestClient(server, base_url=HERE, raise_server_exceptions=False, follow_redirects=False)


@pytest.fixture(scope="module")
def run(app: App) -> str:
    return app.store.create(default_config("digits", "random", classes=[0]), owner="command line", shape=(1, 32, 32)).id


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Record every name that somebody wants to know the address of, and answer none."""
    names: list[str] = []

    def record(host: object, *rest: object, **more: object) -> list[object]:
        names.append(str(host))
        raise socket.gaierror(socket.EAI_NONAME, "no name server is to be asked")

    monkeypatch.setattr(socket, "getaddrinfo", record)
    return names


# Names


PATHS = ["/", "/config", "/wb/status", "/gradio_api/queue/data", "/gradio_api/info", "/wb/assets/app.js"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "host",
    ["evil.example:7860", "127.0.0.1:1", "127.0.0.1", "localhost.evil.example:7860", "x@localhost:7860", "", "a b"],
)
def test_under_another_name_nothing_is_answered(client, path, host):
    answer = client.get(path, headers={"Host": host})
    assert answer.status_code == 421 and "--allow-host" in answer.json()["error"]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:7860",
        "localhost:7860",
        "LOCALHOST:7860",
        "[::1]:7860",
        "lab.example",
        "lab.example:99",
        "gate.example:8080",
    ],
)
def test_under_its_own_names_it_answers(client, host):
    assert client.get("/wb/status", headers={"Host": host, "Origin": f"http://{host}"}).status_code == 200


def test_private_photographs_are_not_for_who_rebinds_a_name(client):
    path = "/wb/scenarios/digits/private/0.webp"
    evil = {"Host": "evil.example:7860", "Origin": "http://evil.example:7860"}
    assert client.get(path, headers=evil).status_code == 421
    assert client.get(path).status_code == 200


def test_a_server_for_all_addresses_is_called_by_the_one_a_request_came_in_at():
    names = ServedNames.of("0.0.0.0", 7860)
    assert names.include("192.0.2.7:7860", "http", ("192.0.2.7", 7860))
    assert names.include("192.0.2.7:7860", "http", ("::ffff:192.0.2.7", 7860)), "one socket for both families"
    assert not names.include("192.0.2.8:7860", "http", ("192.0.2.7", 7860))
    assert not names.include("evil.example:7860", "http", ("192.0.2.7", 7860))
    assert not ServedNames.of("127.0.0.1", 7860).include("192.0.2.7:7860", "http", ("192.0.2.7", 7860))
    assert ServedNames.of("127.0.0.1", 80).include("localhost", "http", None), "a usual port is left out"


@pytest.mark.parametrize("text", ["", "a b", "x:y", "http://x", "x/y", "me@x"])
def test_what_is_no_name_cannot_be_allowed(text):
    with pytest.raises(UsageError, match="--allow-host"):
        ServedNames.of("127.0.0.1", 7860, [text])


@given(st.text(max_size=30))
def test_any_host_header_is_read_without_a_fault(text):
    names = ServedNames.of("127.0.0.1", 7860)
    if names.include(text, "http", ("127.0.0.1", 7860)):
        assert split_authority(text)[0] in ("127.0.0.1", "localhost", "::1")
    same_site(text, text)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *((host, True) for host in ("127.0.0.1", "localhost", "::1", "127.9.9.9")),
        *((host, False) for host in ("0.0.0.0", "::", "192.0.2.7", "lab.example", "")),
    ],
)
def test_which_servers_are_of_one_machine_alone(host, loopback):
    assert is_loopback(host) is loopback


# Pages


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://localhost:7860", "http://127.0.0.1:8888", "null", "file://", "x", ""]
)
def test_another_sites_page_can_change_nothing(client, origin):
    body = {"data": [], "fn_index": 0, "session_hash": "a"}
    answer = client.post("/gradio_api/run/predict", json=body, headers={"Origin": origin})
    assert answer.status_code == 403 and "another site" in answer.json()["error"]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_sites_page_cannot_make_it_work(client, site):
    """An image of another page's is asked for without an origin; browsers say so all the same."""
    path = "/wb/priors/digits/gan/samples.webp?seed=7"
    sent = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    assert client.get(path, headers=sent).status_code == 403
    link = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}
    assert client.get("/wb/status", headers=link).status_code == 200, "a link is followed"
    assert client.post("/gradio_api/reset", json={}, headers=link).status_code == 403, "a form is not"


def test_its_own_page_is_answered_through_a_gateway_that_speaks_https(client):
    sent = {"Host": "lab.example", "Origin": "https://lab.example", "Sec-Fetch-Site": "same-origin"}
    assert client.get("/wb/status", headers=sent).status_code == 200


# Sizes


def test_a_long_body_is_refused_before_it_is_read(client):
    answer = client.post("/gradio_api/run/predict", content=b"x", headers={"Content-Length": str(3 << 20)})
    assert answer.status_code == 413 and "2 MB" in answer.json()["error"]


def test_a_body_without_a_length_is_cut_where_it_is_too_long(client):
    read = []

    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            read.append(1)
            yield b"[" * (1 << 16)

    assert client.post("/gradio_api/queue/join", content=pieces()).status_code == 413


@pytest.mark.parametrize("body", [b"[" * 100_000, b"{", b"\xff", b'{"data": ' + b"[" * 50_000])
def test_an_event_that_is_no_json_is_refused(client, body):
    answer = client.post("/gradio_api/run/predict", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400 and answer.json()["error"]


# Addresses


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=http://name.example/x",
        "/gradio_api/file=https:/name.example",
        "/gradio_api/proxy=https://name.example/x",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/upload_progress?upload_id=1",
        "/gradio_api/openapi.json",
        "/gradio_api/info",
        "/gradio_api/app_id",
        "/gradio_api/token",
        "/gradio_api/deep_link?session_hash=a",
        "/gradio_api/stream/a/1/2/playlist.m3u8",
        "/gradio_api/custom_component/a/client/b/c",
        "/monitoring",
        "/anything",
    ],
)
def test_what_the_page_never_asks_for_is_shut(client, looked_up, path):
    for method in ("GET", "HEAD"):
        assert client.request(method, path).status_code == 404
    assert looked_up == []


@pytest.mark.parametrize(
    "path", ["upload", "component_server", "process_recording", "call/predict", "vibe-edit", "stream/x"]
)
def test_nothing_is_taken_in_but_events(client, app, path):
    answer = client.post(f"/gradio_api/{path}", files={"files": ("x.html", b"<script>")})
    assert answer.status_code == 404
    assert not [p for p in (app.store.root / ".gradio").rglob("*") if p.is_file()]


@pytest.mark.parametrize("event", ["run/predict", "run/anything", "queue/join"])
@pytest.mark.parametrize("where", [lambda file: [file], lambda file: [{"deep": [file]}]])
def test_an_event_makes_the_server_fetch_nothing(client, looked_up, event, where):
    body = {"data": where(FILE), "fn_index": 0, "session_hash": "a"}
    answer = client.post(f"/gradio_api/{event}", content=json.dumps(body).replace("FileData", "File\\u0044ata"))
    assert answer.status_code == 400 and "file" in answer.json()["error"]
    assert looked_up == []


def test_every_answer_tells_the_browser_to_ask_nobody_else(client):
    for path in ("/wb/status", "/anything", "/wb/runs/none/run.json"):
        headers = client.get(path).headers
        assert (
            "default-src 'self'" in headers["content-security-policy"] and headers["referrer-policy"] == "same-origin"
        )


# Routes of our own


@pytest.mark.parametrize(
    "path",
    [
        "/wb/runs/{run}/frames/-1.jpg",
        "/wb/runs/{run}/frames/" + "9" * 300 + ".jpg",
        "/wb/runs/{run}/clouds/" + "9" * 30 + ".json",
        "/wb/runs/{run}/landscape/-1.jsonl",
        "/wb/runs/{run}/landscape/0.jsonl?frame=-1",
        "/wb/runs/{run}/frames/x.jpg",
        "/wb/scenarios/digits/private/" + "9" * 40 + ".webp",
        "/wb/priors/digits/gan/reach.json?classes=0-99999999999999",
        "/wb/priors/digits/gan/reach.json?classes=0-10000000",
        "/wb/priors/digits/gan/samples.webp?seed=" + "9" * 100,
        "/wb/priors/digits/gan/samples.webp?share=nan",
        "/wb/priors/digits/gan/samples.webp?share=1e999",
        "/wb/priors/digits/gan/samples.webp?seed=-1",
        "/wb/priors/digits/gan/nearest.json?point=0.999",
        "/wb/priors/digits/inversion-gan/samples.webp?target=../../x",
        "/wb/trainings/none/samples/" + "9" * 300 + ".webp",
    ],
)
def test_a_number_that_makes_no_sense_is_refused_in_a_sentence(client, run, path):
    answer = client.get(path.format(run=run))
    assert answer.status_code in (400, 404) and answer.json()["error"].endswith(".")


@pytest.mark.parametrize("name", ["..", "%2e%2e", "x%00y", "x%2F..%2Fy", "A", "a" * 200, "-x"])
@pytest.mark.parametrize("kind", ["runs/{}/run.json", "runs/{}/frames/0.jpg", "trainings/{}/samples/latest.webp"])
def test_an_id_is_checked_before_the_disk_is_asked(client, kind, name):
    assert client.get(f"/wb/{kind.format(name)}").status_code == 404


@pytest.mark.parametrize("name", ["x\x00y", "../x", "a" * 5000])
def test_the_store_knows_no_such_run(app, name):
    from workbench.core.errors import StoreError

    for look in (app.store.job, app.store.folder, app.store.training):
        with pytest.raises(StoreError):
            look(name)


@pytest.mark.timeout(400)  # a fresh Python imports torch, which takes long on a busy machine
def test_routes_answer_and_tabs_decide_without_the_page(tmp_path):
    """They take what they answer from, and need no Gradio."""
    code = """
import sys
sys.modules["gradio"] = None
from pathlib import Path
from types import SimpleNamespace
from fastapi import FastAPI
from fastapi.testclient import TestClient
from workbench.engine.presets import default_config
from workbench.runs.store import RunStore
from workbench.ui import settings
from workbench.ui.routes import catalog, latent, priors, runs, services, trainings
from workbench.ui.tabs import invert_handlers, target_handlers
store, server = RunStore(Path(sys.argv[1])), FastAPI()
services.serve_from(server, SimpleNamespace(store=store))
server.include_router(runs.router)
run = store.create(default_config("digits", "random", classes=[0]), shape=(1, 32, 32)).id
client = TestClient(server)
assert client.get(f"/wb/runs/{run}/frames.json").json() == []
assert [client.get(f"/wb/runs/{run}/frames/latest.{kind}").status_code for kind in ("jpg", "webp")] == [204, 204]
assert client.get("/wb/runs/none/frames.json").status_code == 404
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(tmp_path)], cwd=ROOT, check=True)
