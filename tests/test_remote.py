"""Targets elsewhere: what is sent and answered, what goes wrong, and a run that outlives its target's restart."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import prod
from pathlib import Path

import pytest
import torch
import uvicorn
from conftest import CLASSES, SHAPE, QuadrantVictim

from tests.processes import free_port
from workbench.__main__ import main
from workbench.core.errors import BadAnswer, BudgetSpent, Incompatible, TargetAway, UsageError
from workbench.core.records import Access, RunState
from workbench.core.web.protocol import PromptProtocol
from workbench.defenses import load_target
from workbench.defenses.store import load_classifier
from workbench.engine import away as remote_wait
from workbench.engine.compatibility import problems
from workbench.engine.context import control_for
from workbench.engine.execute import execute
from workbench.engine.model_cache import ModelCache
from workbench.engine.presets import default_config
from workbench.runs.control import RunControl
from workbench.runs.store import RunStore
from workbench.targets import TargetView
from workbench.targets.remote import sources
from workbench.targets.remote.base import RemoteCard
from workbench.targets.remote.http import Endpoint
from workbench.targets.remote.onnx import OnnxFile
from workbench.targets.remote.service import RateLimiter, offering
from workbench.targets.remote.wire import packed, unpacked

OFFER = RemoteCard(SHAPE, CLASSES, k=2)


@pytest.fixture(autouse=True)
def _empty_list() -> Iterator[None]:
    sources.forget()
    yield
    sources.forget()


@contextmanager
def serving(
    model: torch.nn.Module,
    offer: RemoteCard = OFFER,
    rate: float | None = None,
    port: int = 0,
    token: str = "",
    http: type | str = "auto",
) -> Iterator[str]:
    """Serve a target on loopback in a thread; yield its address."""
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        line.bind(("127.0.0.1", port))
        server = uvicorn.Server(
            uvicorn.Config(offering(model.eval(), offer, rate, token=token), http=http, log_level="critical")
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [line]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{line.getsockname()[1]}/"
        finally:
            server.force_exit = server.should_exit = True
            thread.join()


class Saying:
    """A server that answers every question with the same words, whatever they are."""

    def __init__(
        self,
        words: bytes | Callable[[], bytes],
        status: int = 200,
        offer: RemoteCard = OFFER,
        kind: str = "application/json",
        **headers: str,
    ) -> None:
        self.asked: list[str] = []
        saying = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.say(200, json.dumps(offer.to_json()).encode())

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                saying.asked.append(self.path)
                self.say(status, words() if callable(words) else words)

            def say(self, status: int, text: bytes) -> None:
                self.send_response(status)
                for name, value in {"Content-Type": kind, "Content-Length": str(len(text)), **headers}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *what: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    def __enter__(self) -> Saying:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *what: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/"


def endpoint(address: str, **how) -> Endpoint:
    return Endpoint("http:test", address, **{"sleep": lambda _: None, "seconds": 5.0, **how})


# What travels


@pytest.mark.parametrize(("dtype", "exact"), [("float32", 0.0), ("uint8", 0.5 / 255 + 1e-6)])
def test_images_arrive_as_they_were_sent(dtype, exact):
    images = torch.rand(3, *SHAPE)
    sent = json.loads(json.dumps(packed(images, dtype)))
    assert (unpacked(sent, SHAPE, 3) - images).abs().max() <= exact


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dtype": "float64"}, "dtype"),
        ({"dtype": ["uint8"]}, "dtype"),
        ({"shape": [2, 1, 8, 9]}, "shape"),
        ({"shape": "x"}, "shape"),
        ({"shape": [0, *SHAPE]}, "1 to 4"),
        ({"shape": [5, *SHAPE]}, "1 to 4"),
        ({"shape": [True, *SHAPE]}, "shape"),
        ({"data": "%%%"}, "base64"),
        ({"data": 3}, "base64"),
        ({"data": "AAAA"}, "bytes"),
        ({"data": base64.b64encode(torch.full((2, *SHAPE), float("nan")).numpy()).decode()}, r"\[0, 1\]"),
        ({"data": base64.b64encode(torch.full((2, *SHAPE), 1.5).numpy()).decode()}, r"\[0, 1\]"),
    ],
)
def test_what_is_no_image_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        unpacked({**packed(torch.rand(2, *SHAPE)), **change}, SHAPE, 4)


@pytest.mark.parametrize("access", [Access.SCORES, Access.TOP_K, Access.LABEL])
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_the_answers_are_those_of_the_target_itself(access, dtype):
    images = (torch.rand(5, *SHAPE) * 255).round() / 255
    here = TargetView(QuadrantVictim(), access, num_classes=CLASSES, input_shape=SHAPE, k=2)
    with serving(QuadrantVictim(), replace(OFFER, access=access, dtype=dtype)) as address:
        there = TargetView(endpoint(address), access, num_classes=CLASSES, input_shape=SHAPE, k=2)
        assert torch.equal(there.labels(images), here.labels(images))
        if access is not Access.LABEL:
            for ours, theirs in zip(here.top_k(images), there.top_k(images), strict=True):
                assert torch.allclose(ours, theirs, atol=1e-6)
        if access is Access.SCORES:
            assert torch.allclose(there.scores(images), here.scores(images), atol=1e-6)
        assert there.queries == here.queries


def test_many_images_go_in_several_requests(monkeypatch):
    monkeypatch.setattr("workbench.targets.remote.http.BATCH", 4)
    images = torch.rand(10, *SHAPE)
    with serving(QuadrantVictim()) as address:
        assert torch.allclose(endpoint(address)(images).softmax(1), QuadrantVictim()(images).softmax(1), atol=1e-6)


def test_defenses_act_where_the_target_is():
    images = torch.rand(4, 1, 32, 32)
    model = load_target("digits", "softmax", "rounding(step=0.2)")
    with serving(model, RemoteCard((1, 32, 32), 5)) as address:
        found = endpoint(address).confidences(images)
    assert torch.allclose(found, model(images).softmax(1), atol=1e-6)
    assert not torch.allclose(found, load_classifier("digits", "softmax")(images).softmax(1), atol=0.01)


def test_a_target_releases_no_more_than_it_offers():
    def said(address: str) -> dict:
        import urllib.request

        body = json.dumps({"images": packed(torch.rand(2, *SHAPE))}).encode()
        with urllib.request.urlopen(
            urllib.request.Request(address, body, {"Content-Type": "application/json"}), timeout=5
        ) as answer:
            return json.loads(answer.read())

    with serving(QuadrantVictim(), replace(OFFER, access=Access.LABEL)) as address:
        assert set(said(address)) == {"labels"}
    with serving(QuadrantVictim(), replace(OFFER, access=Access.TOP_K)) as address:
        found = said(address)
    assert set(found) == {"classes", "scores"} and len(found["scores"][0]) == len(found["classes"][0]) == 2


# The server's own manners


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"images": 3}', b"\xff\xfe", b"[" * 100_000])
def test_a_senseless_request_is_refused_with_a_reason(body):
    import http.client

    with serving(QuadrantVictim()) as address:
        line = http.client.HTTPConnection(address.split("/")[2], timeout=5)
        line.request("POST", "/", body, {"Content-Type": "application/json"})
        answer = line.getresponse()
        assert answer.status == 400 and json.loads(answer.read())["error"]
        assert endpoint(address)(torch.rand(1, *SHAPE)).shape == (1, CLASSES), "it must go on after that"
        line.close()


def asked(address: str, **headers: str) -> tuple[int, dict]:
    """Return status and answer of one image's request with these headers."""
    import http.client

    line = http.client.HTTPConnection(address.split("/")[2], timeout=20)
    body = json.dumps({"images": packed(torch.rand(1, *SHAPE))})
    sent = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    line.request("POST", "/", body, sent)
    answer = line.getresponse()
    try:
        return answer.status, json.loads(answer.read())
    finally:
        line.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example", "Content_Type": "text/plain"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Host": "evil.example"}, 421),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_another_sites_page_gets_no_answer_and_spends_nothing(headers, status):
    with serving(QuadrantVictim(), rate=0.5) as address:
        said, answer = asked(address, **headers)
        assert said == status and answer["error"]
        assert asked(address)[0] == 200, "the allowance is still there"


def test_a_target_with_a_token_answers_those_who_have_it():
    with serving(QuadrantVictim(), token="s3cret") as address:
        assert asked(address)[0] == asked(address, Authorization="Bearer wrong")[0] == 401
        assert asked(address, Authorization="Bearer s3cret")[0] == 200
        assert endpoint(address, token="s3cret")(torch.rand(2, *SHAPE)).shape == (2, CLASSES)
        with pytest.raises(BadAnswer, match="401"):
            endpoint(address)


class Gate(QuadrantVictim):
    """Counts the batches it answers, and holds up the first until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.go = threading.Event()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.batches.append(len(images))
        assert self.go.wait(20)
        return super().forward(images)


def test_who_asks_about_one_image_has_a_turn_between_the_slices_of_many(monkeypatch):
    import asyncio

    import httpx

    monkeypatch.setattr("workbench.targets.remote.service.SLICE", 4)
    model, images = Gate(), torch.rand(40, *SHAPE)

    async def both() -> tuple[dict, int]:
        transport = httpx.ASGITransport(offering(model, OFFER))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            many = asyncio.create_task(client.post("/", json={"images": packed(images)}))
            while not model.batches:
                await asyncio.sleep(0)
            one = asyncio.create_task(client.post("/", json={"images": packed(images[:1])}))
            for _ in range(200):  # turns of the loop, until it stands in the queue
                await asyncio.sleep(0)
            model.go.set()
            assert (await one).status_code == 200
            before = len(model.batches)
            return (await many).json(), before

    answer, before = asyncio.run(both())
    assert before < 11, "the ten slices of the other were answered first"
    assert torch.allclose(torch.tensor(answer["scores"]), QuadrantVictim()(images).softmax(1), atol=1e-6)


@pytest.mark.parametrize("begun", [b"", b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "])
def test_who_never_finishes_a_head_is_hung_up_on(monkeypatch, begun):
    monkeypatch.setattr("workbench.core.web.protocol.HEAD_SECONDS", 0.2)
    with serving(QuadrantVictim(), http=PromptProtocol) as address:
        with socket.create_connection(("127.0.0.1", int(address.split(":")[2].strip("/"))), timeout=20) as line:
            line.sendall(begun)
            assert line.recv(1000) == b""
        assert asked(address)[0] == 200


def test_a_head_in_time_may_be_followed_by_a_slow_body(monkeypatch):
    monkeypatch.setattr("workbench.core.web.protocol.HEAD_SECONDS", 0.1)
    body = json.dumps({"images": packed(torch.rand(1, *SHAPE))}).encode()
    with serving(QuadrantVictim(), http=PromptProtocol) as address:
        with socket.create_connection(("127.0.0.1", int(address.split(":")[2].strip("/"))), timeout=20) as line:
            line.sendall(
                b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body)
            )
            for byte in range(6):
                time.sleep(0.05)  # the body trickles for longer than a head may
                line.sendall(body[byte : byte + 1])
            line.sendall(body[6:])
            assert line.recv(1000).startswith(b"HTTP/1.1 200")


def test_the_allowance_lets_in_so_many_a_second():
    now = [0.0]
    allowance = RateLimiter(10, lambda: now[0])
    assert allowance.take(25) == 0, "a request larger than the rate must be answered some time"
    assert allowance.take(1) == pytest.approx(1.5, abs=0.01)
    now[0] = 1.4
    assert allowance.take(1) > 0
    now[0] = 1.7
    assert allowance.take(1) == 0


def test_a_rate_limit_slows_an_attacker_and_loses_nothing():
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        time.sleep(seconds)

    with serving(QuadrantVictim(), rate=200) as address:
        asked = endpoint(address, sleep=sleep)
        for _ in range(4):
            assert asked(torch.rand(100, *SHAPE)).shape == (100, CLASSES)
    assert waited, "400 images at 200 a second, 200 of them at once"


# Answers that are none


ROWS = [[0.25] * CLASSES] * 2


@pytest.mark.parametrize(
    ("words", "remark"),
    [
        (b"<html><body>Login</body></html>", "not JSON"),
        (b"", "not JSON"),
        (b"\x00\xff\x13", "not JSON"),
        (b"[]", "without a list of scores"),
        (b'{"error": "x"}', "without a list of scores"),
        (b'{"scores": 1}', "without a list"),
        (b'{"scores": [[0.5, 0.5], [1]]}', "equal length"),
        (b'{"scores": [["a"]]}', "equal length"),
        (b'{"scores": [null]}', "equal length"),
        (json.dumps({"scores": ROWS[:1]}).encode(), r"shape \[1, 4\]"),
        (json.dumps({"scores": [[0.5, 0.5]] * 2}).encode(), r"shape \[2, 2\]"),
        (b'{"scores": [[NaN, 1, 0, 0], [1, 0, 0, 0]]}', "no numbers"),
        (b'{"scores": [[Infinity, 1, 0, 0], [1, 0, 0, 0]]}', "no numbers"),
        (json.dumps({"scores": [[3.0, 0, 0, 0]] * 2}).encode(), "no confidences"),
        (json.dumps({"scores": [[-1.0, 2, 0, 0]] * 2}).encode(), "no confidences"),
    ],
)
def test_garbage_is_named_and_never_taken_for_an_answer(words, remark):
    with Saying(words) as server, pytest.raises(BadAnswer, match=remark) as found:
        endpoint(server.address)(torch.rand(2, *SHAPE))
    assert server.address in str(found.value) and len(server.asked) == 1, "asking again will not make it right"


@pytest.mark.parametrize(
    "words",
    [
        {"labels": [0]},
        {"labels": [0, CLASSES]},
        {"labels": [0, -1]},
        {"labels": [0, 1.5]},
        {"labels": [True, 0]},
        {"labels": ["0", 0]},
    ],
)
def test_labels_outside_the_classes_are_named(words):
    with Saying(json.dumps(words).encode(), offer=replace(OFFER, access=Access.LABEL)) as server:
        with pytest.raises(BadAnswer, match="label"):
            endpoint(server.address)(torch.rand(2, *SHAPE))


@pytest.mark.parametrize(
    "words",
    [
        {"classes": [[0, 0]] * 2, "scores": [[0.5, 0.4]] * 2},
        {"classes": [[0, 9]] * 2, "scores": [[0.5, 0.4]] * 2},
        {"classes": [0, 1], "scores": [[0.5, 0.4]] * 2},
        {"classes": [[0, 1]] * 2, "scores": [[0.9, 0.8]] * 2},
        {"classes": [[0, 1]] * 2, "scores": [[0.5]] * 2},
        {"classes": [[0]] * 2, "scores": [[0.5]] * 2},
    ],
)
def test_top_scores_that_are_none_are_named(words):
    with Saying(json.dumps(words).encode(), offer=replace(OFFER, access=Access.TOP_K)) as server:
        with pytest.raises(BadAnswer, match="answered with"):
            endpoint(server.address)(torch.rand(2, *SHAPE))


@pytest.mark.parametrize(
    ("status", "error", "remark"),
    [
        (500, TargetAway, "status 500: oh no"),
        (503, TargetAway, "503"),
        (404, BadAnswer, "refuses"),
        (401, BadAnswer, "refuses"),
        (302, BadAnswer, "not followed"),
    ],
)
def test_a_status_is_told(status, error, remark):
    with Saying(b"oh no", status, Location="http://127.0.0.1:1/") as server, pytest.raises(error, match=remark):
        endpoint(server.address, tries=3)(torch.rand(2, *SHAPE))
    assert len(server.asked) == (3 if error is TargetAway else 1)


def test_a_fault_that_passes_is_not_noticed():
    said, waits = [], []

    def words() -> bytes:
        said.append(1)
        return json.dumps({"scores": ROWS}).encode()

    with Saying(words) as server:
        asked = endpoint(server.address, sleep=waits.append)
        real, faults = asked._once, iter([TargetAway("x"), TargetAway("x")])

        def shaky(*what):
            for fault in faults:
                raise fault
            return real(*what)

        asked._once = shaky
        assert asked(torch.rand(2, *SHAPE)).shape == (2, CLASSES)
    assert waits == sorted(waits) and len(waits) == 2 and waits[1] == 2 * waits[0], "the second wait is longer"


def test_a_slow_answer_is_given_up():
    given_up = threading.Event()
    with Saying(lambda: given_up.wait(60) and b"{}") as server:
        with pytest.raises(TargetAway, match=r"within 0\.2 s"):
            endpoint(server.address, seconds=0.2, tries=2)(torch.rand(2, *SHAPE))
        given_up.set()


def test_silence_is_not_waited_for_as_often_as_a_refusal():
    given_up, questions = threading.Event(), []
    with Saying(lambda: questions.append(1) or (given_up.wait(60) and b"{}")) as server:
        with pytest.raises(TargetAway):
            endpoint(server.address, seconds=0.5)(torch.rand(2, *SHAPE))
        given_up.set()
    assert len(questions) == 1, "one silence is enough; a run then says that it waits"


def test_an_answer_that_trickles_is_given_up():
    """Each byte comes in time, the whole never does."""
    given_up = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def trickle() -> None:
            line, _ = listener.accept()
            line.recv(65536)
            line.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
            try:
                while not given_up.wait(0.05):
                    line.sendall(b" ")
            except OSError:
                pass
            line.close()

        thread = threading.Thread(target=trickle, daemon=True)
        thread.start()
        with pytest.raises(TargetAway, match="did not answer within"):
            endpoint(f"http://127.0.0.1:{listener.getsockname()[1]}/", seconds=0.3, tries=1)
        given_up.set()
        thread.join()


def test_a_head_that_trickles_is_given_up():
    """Each byte of the headers comes in time, their end never does."""
    hung_up = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def trickle() -> None:
            line, _ = listener.accept()
            with line:
                line.recv(65536)
                line.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                try:
                    for _ in range(400):
                        line.sendall(b"a")
                        time.sleep(0.02)
                except OSError:
                    hung_up.set()

        thread = threading.Thread(target=trickle, daemon=True)
        thread.start()
        with pytest.raises(TargetAway, match="did not answer within"):
            endpoint(f"http://127.0.0.1:{listener.getsockname()[1]}/", seconds=0.3, tries=1)
        thread.join()
    assert hung_up.is_set(), "it waited for the end"


@pytest.mark.parametrize("words", [b"[" * 200_000, b'{"scores": ' + b"[" * 200_000])
def test_json_that_is_nested_deeply_is_named(words):
    with Saying(words) as server, pytest.raises(BadAnswer, match="nested too deeply"):
        endpoint(server.address)(torch.rand(2, *SHAPE))


# Gateways: sizes and tokens


class Gateway:
    """A target behind a gateway that lets through requests of so many bytes, with the right token.

    Args:
        abrupt: refuse from the headers alone and hang up while the body is still being sent.
        echo: repeat the token in a refusal, as some services do.
    """

    def __init__(self, *, limit: int = 1 << 30, token: str = "", abrupt: bool = False, echo: bool = False) -> None:
        self.rows: list[int] = []
        self.refused = 0
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.say(200, OFFER.to_json()) if self.allowed() else self.shut_out()

            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                if size > limit:
                    gateway.refused += 1
                    if abrupt:
                        self.close_connection = True
                    else:
                        self.rfile.read(size)
                    return self.say(413, {"detail": "Request Entity Too Large"})
                body = self.rfile.read(size)
                if not self.allowed():
                    return self.shut_out()
                images = unpacked(json.loads(body)["images"], SHAPE, 10_000)
                gateway.rows.append(len(images))
                return self.say(200, {"scores": QuadrantVictim()(images).softmax(1).tolist()})

            def allowed(self) -> bool:
                return not token or self.headers.get("Authorization") == f"Bearer {token}"

            def shut_out(self) -> None:
                self.say(401, {"detail": self.headers["Authorization"] if echo else "missing or wrong token"})

            def say(self, status: int, what: object) -> None:
                text = json.dumps(what).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *what: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    __enter__, __exit__, address = Saying.__enter__, Saying.__exit__, Saying.address


@pytest.mark.parametrize("abrupt", [False, True])
def test_a_request_that_is_too_large_is_made_in_halves(abrupt):
    images = torch.rand(100, *SHAPE)
    with Gateway(limit=5_000, abrupt=abrupt) as server:
        target = endpoint(server.address)
        assert torch.allclose(target(images).softmax(1), QuadrantVictim()(images).softmax(1), atol=1e-6)
        assert sum(server.rows) == 100, "every image is asked about once"
        refused = server.refused
        target(images)
        assert server.refused == refused > 0, "what was learned is kept"


def test_a_gateway_that_lets_through_no_image_is_named():
    with Gateway(limit=50) as server, pytest.raises(BadAnswer, match=r"even one image .*413"):
        endpoint(server.address)(torch.rand(8, *SHAPE))


def test_a_token_opens_the_gateway_and_its_absence_is_explained():
    images = torch.rand(3, *SHAPE)
    with Gateway(token="s3cret") as server:
        assert endpoint(server.address, token="s3cret")(images).shape == (3, CLASSES)
        with pytest.raises(BadAnswer, match=r"401.*--endpoint-token-env"):
            endpoint(server.address)


def test_a_token_that_a_server_repeats_is_in_no_message():
    with Gateway(token="another", echo=True) as server, pytest.raises(BadAnswer, match="401") as refusal:
        endpoint(server.address, token="s3cret")
    assert "Bearer" in str(refusal.value) and "s3cret" not in str(refusal.value)


def test_a_token_comes_from_the_environment_and_is_written_nowhere(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BANK_TOKEN", "s3cret")
    with Gateway(token="s3cret") as server:
        status = main(
            [
                *("run", "--scenario", "digits", "--target", "http:bank", "--endpoint", f"bank={server.address}"),
                *("--endpoint-token-env", "bank=BANK_TOKEN", "--attack", "brep-mi", "--out", str(tmp_path / "run")),
            ]
        )
    said = capsys.readouterr()
    assert status == 2 and "takes images" in said.err, "it was let in and told what it takes: not these"
    assert "s3cret" not in said.out + said.err
    assert not any(b"s3cret" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_the_token_travels_to_the_worker_by_the_name_of_its_variable(monkeypatch):
    monkeypatch.setenv("BANK_TOKEN", "s3cret")
    sources.allow("http", "bank=http://127.0.0.1:9/")
    sources.allow_token("bank=BANK_TOKEN")
    words = sources.as_options()
    assert "bank=BANK_TOKEN" in words and not any("s3cret" in word for word in words)
    import argparse

    parser = argparse.ArgumentParser()
    sources.add_options(parser)
    sources.forget()
    sources.allow_from(parser.parse_args(words))
    assert sources.token_of(sources.source_of("http:bank")) == "s3cret"


@pytest.mark.parametrize(
    ("text", "value", "words"),
    [
        ("bank=BANK_TOKEN", None, "is not set"),
        ("bank=BANK_TOKEN", "a b", "no token has"),
        ("bank=BANK_TOKEN", "a\r\nX-Evil: 1", "no token has"),
        ("shop=BANK_TOKEN", "s3cret", "no --endpoint shop"),
        ("bank", "s3cret", "NAME=VARIABLE"),
        ("bank=s3cret!", "s3cret", "NAME=VARIABLE"),
    ],
)
def test_a_token_that_is_none_is_refused(monkeypatch, text, value, words):
    monkeypatch.delenv("BANK_TOKEN", raising=False)
    if value is not None:
        monkeypatch.setenv("BANK_TOKEN", value)
    sources.allow("http", "bank=http://127.0.0.1:9/")
    with pytest.raises(UsageError, match=words) as refusal:
        sources.allow_token(text)
    assert value is None or value not in str(refusal.value)


def test_nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(TargetAway, match="cannot be reached"):
        endpoint(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [1, 8]},
        {"shape": [1, 8, "8"]},
        {"classes": 1},
        {"classes": None},
        {"answers": "logits"},
        {"dtype": "int4"},
        {"answers": "top-k", "k": 9},
    ],
)
def test_a_description_that_makes_no_sense_is_refused(change):
    with pytest.raises(ValueError):
        RemoteCard.from_json({**OFFER.to_json(), **change})
    assert RemoteCard.from_json(OFFER.to_json()).shape == SHAPE


# Which targets there are


@pytest.mark.parametrize(
    "text",
    [
        "bank",
        "=http://x/",
        "Bank=http://x/",
        "bank=ftp://x/",
        "bank=x",
        "bank=http://",
        "bank=http://me@x/",
        "bank=http://x:99999/",
        "bank=file:///etc/passwd",
    ],
)
def test_an_address_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="--endpoint"):
        sources.allow("http", text)


def test_only_what_the_command_line_names_is_asked():
    with Saying(b"") as server:
        config = default_config("digits", "deep-bmi", target=f"http:{server.address}", classes=[0])
        assert any("command line" in text for text in problems(config))
        assert any("--endpoint bank=URL" in text for text in problems(replace(config, target="http:bank")))
        assert any("--onnx x=FILE" in text for text in problems(replace(config, target="onnx:x")))
    assert not server.asked


def test_the_list_travels_to_the_worker():
    sources.allow("http", "bank=http://127.0.0.1:9/x")
    import argparse

    parser = argparse.ArgumentParser()
    sources.add_options(parser)
    options = parser.parse_args(sources.as_options())
    sources.forget()
    sources.allow_from(options)
    assert sources.source_of("http:bank").address == "http://127.0.0.1:9/x"


def test_a_target_that_is_away_is_a_problem_with_a_remedy_until_it_is_back(monkeypatch):
    monkeypatch.setattr(sources, "REMEMBERED", 0.05)
    port = free_port()
    sources.allow("http", f"bank=http://127.0.0.1:{port}/")
    config = default_config("digits", "deep-bmi", target="http:bank", classes=[0])
    (said,) = problems(config)
    assert "cannot be reached: connection refused" in said and "Start it" in said and "run again" in said
    time.sleep(0.06)
    with serving(QuadrantVictim(), RemoteCard((1, 32, 32), 5), port=port):
        assert problems(config) == []


@pytest.mark.parametrize(
    ("offer", "attack", "words"),
    [
        (RemoteCard((1, 32, 32), 5), "gmi", "black-box"),
        (RemoteCard((1, 32, 32), 5, Access.LABEL), "deep-bmi", "labels only"),
        (RemoteCard((1, 32, 32), 5, Access.TOP_K, 3), "deep-bmi", "3 best"),
        (RemoteCard((1, 64, 64), 5), "brep-mi", "images"),
        (RemoteCard((1, 32, 32), 7), "brep-mi", "7 classes"),
    ],
)
def test_what_does_not_fit_is_said_before_any_work(offer, attack, words):
    with Saying(b"", offer=offer) as server:
        sources.allow("http", f"bank={server.address}")
        found = problems(default_config("digits", attack, target="http:bank", classes=[0]))
    assert len(found) == 1 and words in found[0] and not server.asked


def test_a_defense_cannot_be_put_around_what_is_elsewhere():
    with Saying(b"", offer=RemoteCard((1, 32, 32), 5)) as server:
        sources.allow("http", f"bank={server.address}")
        found = problems(default_config("digits", "brep-mi", target="http:bank", classes=[0], defense="rounding"))
    assert len(found) == 1 and "where it runs" in found[0]


# Runs


def searching(target: str, **overrides) -> object:
    knobs = {"steps": 6, "population": 8, "pool": 64}
    return default_config(
        "digits", "deep-bmi", target=target, classes=[0, 1], device="cpu", **{"knobs": knobs, **overrides}
    )


@cache
def cache() -> ModelCache:
    return ModelCache("cpu")


def run(tmp_path: Path, config, control: RunControl | None = None, **how):
    folder = RunStore(tmp_path / "runs").create(config, shape=(1, 32, 32))
    return folder, execute(config, folder, cache(), control=control, ledger=RunStore(tmp_path / "runs"), **how)


@pytest.fixture(scope="module")
def digits() -> torch.nn.Module:
    return load_classifier("digits", "cnn")


def test_a_run_over_http_is_the_run_in_process(tmp_path, digits):
    here, _ = run(tmp_path, searching("cnn"))
    with serving(digits, RemoteCard((1, 32, 32), 5)) as address:
        sources.allow("http", f"bank={address}")
        there, state = run(tmp_path, searching("http:bank"))
    assert state is RunState.FINISHED and there.manifest()["source"] == address
    assert there.manifest()["queries"] == here.manifest()["queries"]
    assert torch.allclose(here.result()["images"], there.result()["images"], atol=1e-3)
    assert there.judgement() is not None


def test_five_scores_or_fewer_are_enough_for_whom_they_are_enough(tmp_path, digits):
    with serving(digits, RemoteCard((1, 32, 32), 5, Access.TOP_K, 2)) as address:
        sources.allow("http", f"bank={address}")
        config = default_config(
            "digits", "yoshimura", target="http:bank", classes=[0], device="cpu", knobs={"steps": 3, "pool": 32}
        )
        folder, state = run(tmp_path, config)
    assert state is RunState.FINISHED, folder.manifest()["reason"]


def vanish_at(step: int, stop: Callable[[], None]) -> Callable:
    def look(frame, seconds) -> None:
        if frame.step == step:
            stop()

    return look


@pytest.fixture
def hasty(monkeypatch) -> None:
    """Look often whether a target is back, and do not try long."""
    monkeypatch.setattr(remote_wait.RemoteWait.__init__, "__defaults__", (0.05,))
    monkeypatch.setattr("workbench.targets.remote.http.FIRST_WAIT", 0.01)


def states_of(store: RunStore, run: str, wanted: RunState, seconds: float = 240.0) -> None:
    until = time.monotonic() + seconds
    while store.summary(run).state is not wanted:
        assert time.monotonic() < until, f"never {wanted.value}"
        time.sleep(0.01)


def test_a_run_outlives_its_targets_restart(tmp_path, digits, hasty):
    """The target is gone for a while in mid-run: the run pauses, says why, goes on by itself and ends as it would have."""
    offer, port, store = RemoteCard((1, 32, 32), 5), free_port(), RunStore(tmp_path / "runs")
    undisturbed, _ = run(tmp_path, searching("cnn"))
    gone, config = threading.Event(), searching("http:bank")
    sources.allow("http", f"bank=http://127.0.0.1:{port}/")
    folder = store.create(config, shape=(1, 32, 32))
    control, ended = control_for(config), []
    stopped = threading.Event()

    def at_step_three(frame, seconds) -> None:
        if frame.step >= 3 and not gone.is_set():
            gone.set()
            stopped.wait(20)

    thread = threading.Thread(
        target=lambda: ended.append(
            execute(config, folder, cache(), control=control, ledger=store, fps=1000, on_frame=at_step_three)
        )
    )
    with serving(digits, offer, port=port):
        thread.start()
        assert gone.wait(30)
    stopped.set()
    states_of(store, folder.id, RunState.PAUSED)
    assert (
        "cannot be reached" in store.summary(folder.id).reason
        and "goes on by itself" in store.summary(folder.id).reason
    )
    with serving(digits, offer, port=port):
        thread.join(30)
    assert ended == [RunState.FINISHED] and not folder.manifest()["reason"]
    assert [e["kind"] for e in folder.events() if e["kind"] in ("away", "back")] == ["away", "back"]
    assert torch.allclose(folder.result()["images"], undisturbed.result()["images"], atol=1e-3)
    assert folder.manifest()["queries"] == undisturbed.manifest()["queries"]


def test_a_run_whose_target_stays_away_can_be_stopped_and_keeps_what_it_found(tmp_path, digits, hasty):
    store, config = RunStore(tmp_path / "runs"), searching("http:bank")
    folder, control, ended = store.create(config, shape=(1, 32, 32)), control_for(config), []
    context = serving(digits, RemoteCard((1, 32, 32), 5))
    sources.allow("http", f"bank={context.__enter__()}")
    closing = vanish_at(3, lambda: context.__exit__(None, None, None))
    thread = threading.Thread(
        target=lambda: ended.append(
            execute(config, folder, cache(), control=control, ledger=store, fps=1000, on_frame=closing)
        )
    )
    thread.start()
    states_of(store, folder.id, RunState.PAUSED)
    control.resume()  # asks again, in vain
    time.sleep(0.2)
    states_of(store, folder.id, RunState.PAUSED)
    control.stop()
    thread.join(20)
    assert ended == [RunState.STOPPED] and "away" in folder.manifest()["reason"] and folder.has_result()


def test_resuming_too_early_looks_and_goes_on_waiting():
    filed, control = [], RunControl({}, {})
    watch = remote_wait.RemoteWait(
        control, lambda *_: None, lambda state, why: filed.append((state, why)), nullcontext, first_look=30.0
    )
    there = threading.Event()
    thread = threading.Thread(
        target=lambda: watch._wait(TargetAway("bank cannot be reached."), there.is_set), daemon=True
    )
    thread.start()

    def filed_at_last(count: int) -> None:
        until = time.monotonic() + 20  # before a look that nobody asked for
        while len(filed) < count:
            assert time.monotonic() < until, "Resume did not look"
            time.sleep(0.01)

    for looks in (1, 2):
        filed_at_last(looks)  # it waits: who resumes before has resumed nothing
        control.resume()
    filed_at_last(3)
    assert control.paused and [state for state, _ in filed] == [RunState.PAUSED] * 3, (
        "it must not seem to run in between"
    )
    assert "still away" not in filed[0][1] and "1 time since" in filed[1][1] and "2 times since" in filed[2][1]
    there.set()
    control.resume()
    thread.join(10)
    assert not thread.is_alive() and not control.paused and filed[-1] == (RunState.RUNNING, "")


def test_a_run_whose_target_is_away_when_it_starts_waits_for_it(tmp_path, digits, hasty):
    store, port, config, ended = RunStore(tmp_path / "runs"), free_port(), searching("http:bank"), []
    sources.allow("http", f"bank=http://127.0.0.1:{port}/")
    folder = store.create(config, shape=(1, 32, 32))
    thread = threading.Thread(
        target=lambda: ended.append(execute(config, folder, cache(), control=control_for(config), ledger=store)),
        daemon=True,
    )
    thread.start()
    states_of(store, folder.id, RunState.PAUSED)
    assert "cannot be reached: connection refused" in store.summary(folder.id).reason
    with serving(digits, RemoteCard((1, 32, 32), 5), port=port):
        thread.join(30)
    assert ended == [RunState.FINISHED] and not folder.manifest()["reason"]


def test_a_run_whose_target_never_comes_can_be_stopped(tmp_path, hasty):
    store, config, ended = RunStore(tmp_path / "runs"), searching("http:bank"), []
    sources.allow("http", f"bank=http://127.0.0.1:{free_port()}/")
    folder, control = store.create(config, shape=(1, 32, 32)), control_for(config)
    thread = threading.Thread(
        target=lambda: ended.append(execute(config, folder, cache(), control=control, ledger=store)), daemon=True
    )
    thread.start()
    states_of(store, folder.id, RunState.PAUSED)
    control.stop()
    thread.join(20)
    assert ended == [RunState.STOPPED] and "away" in folder.manifest()["reason"]


def test_garbage_in_mid_run_fails_it_with_the_reason_and_keeps_the_frames(tmp_path):
    with Saying(b"<html>maintenance</html>", offer=RemoteCard((1, 32, 32), 5)) as server:
        sources.allow("http", f"bank={server.address}")
        folder, state = run(tmp_path, searching("http:bank"))
    assert state is RunState.FAILED and "not JSON" in folder.manifest()["reason"] and folder.frames()


def test_the_budget_holds_for_a_target_elsewhere():
    with serving(QuadrantVictim()) as address:
        view = TargetView(endpoint(address), Access.SCORES, num_classes=CLASSES, input_shape=SHAPE, budget=5)
        view.scores(torch.rand(5, *SHAPE))
        with pytest.raises(BudgetSpent):
            view.scores(torch.rand(1, *SHAPE))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--top-k", "9"], "5 classes"),
        (["--rate", "0"], "above 0"),
        (["--port", "70000"], "out of range"),
        (["--arch", "nothing"], "nothing"),
        (["--defense", "nothing"], "nothing"),
    ],
)
def test_a_wrong_offer_exits_2(arguments, words, capsys):
    assert main(["serve-target", "--scenario", "digits", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_taken_port_is_named(capsys):
    with socket.create_server(("127.0.0.1", 0)) as line:
        port = line.getsockname()[1]
        assert main(["serve-target", "--scenario", "digits", "--arch", "softmax", "--port", str(port)]) == 2
    assert "Cannot listen" in capsys.readouterr().err


# ONNX files


def onnx_model(
    tmp_path: Path,
    shape: list,
    *,
    classes: int = CLASSES,
    rank: int = 2,
    softmax: bool = False,
    kind: int = 1,
    inputs: int = 1,
) -> Path:
    """Write a classifier by the quadrants' sums as ONNX; `shape` is what it declares for its input."""
    import onnx
    from onnx import TensorProto, helper

    side = SHAPE[1] // 2
    rows = prod(shape[1:]) if all(isinstance(n, int) for n in shape[1:]) else prod(SHAPE)
    weight = torch.zeros(rows, classes)
    for k in range(min(classes, CLASSES) if rows == prod(SHAPE) else 0):
        mask = torch.zeros(SHAPE[1:])
        mask[side * (k // 2) : side * (k // 2 + 1), side * (k % 2) : side * (k % 2 + 1)] = 10 / side**2
        weight[:, k] = mask.flatten()
    nodes = [
        helper.make_node("Cast", ["images"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["real"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["logits"]),
    ]
    last = "logits"
    if softmax:
        nodes.append(helper.make_node("Softmax", ["logits"], ["p"], axis=1))
        last = "p"
    if rank == 3:
        nodes.append(helper.make_node("Unsqueeze", [last, "one"], ["deep"]))
        last = "deep"
    given = [helper.make_tensor_value_info(name, kind, shape) for name in ("images", "more")[:inputs]]
    graph = helper.make_graph(
        nodes,
        "toy",
        given,
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, None)],
        [
            helper.make_tensor("weight", TensorProto.FLOAT, weight.shape, weight.flatten().tolist()),
            helper.make_tensor("one", TensorProto.INT64, [1], [1]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "toy.onnx"
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize("shape", [["n", *SHAPE], ["n", "c", "h", "w"], [3, *SHAPE], [1, *SHAPE]])
@pytest.mark.parametrize("softmax", [False, True])
def test_an_onnx_file_answers_as_the_model_it_was_made_from(tmp_path, shape, softmax):
    target, images = OnnxFile("onnx:toy", onnx_model(tmp_path, shape, softmax=softmax), SHAPE), torch.rand(7, *SHAPE)
    assert target.offer.classes == CLASSES
    assert torch.allclose(target(images).softmax(1), QuadrantVictim()(images).softmax(1), atol=1e-5)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"shape": ["n", 1, 16, 16]}, r"input of shape .*16"),
        ({"shape": ["n", 64]}, "input of shape"),
        ({"shape": ["n", 3, *SHAPE[1:]]}, "input of shape"),
        ({"shape": ["n", *SHAPE], "rank": 3}, r"shape \[2, 1, 4\]"),
        ({"shape": ["n", *SHAPE], "classes": 1}, "answers two images"),
        ({"shape": ["n", *SHAPE], "kind": 7}, "float32"),
        ({"shape": ["n", *SHAPE], "inputs": 2}, "2 inputs"),
    ],
)
def test_an_onnx_file_of_another_shape_is_refused(tmp_path, how, words):
    with pytest.raises(Incompatible, match=words):
        OnnxFile("onnx:toy", onnx_model(tmp_path, **how), SHAPE)


def test_an_onnx_file_that_breaks_on_these_images_says_so(tmp_path):
    path = onnx_model(tmp_path, ["n", "c", "h", "w"])
    with pytest.raises(BadAnswer, match="cannot answer images of shape"):
        OnnxFile("onnx:toy", path, (1, 16, 16))


def test_what_is_no_onnx_file_is_refused(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"not at all")
    with pytest.raises(Incompatible, match="no ONNX file"):
        OnnxFile("onnx:x", tmp_path / "x.onnx", SHAPE)
    with pytest.raises(UsageError, match="there is no file"):
        sources.allow("onnx", f"x={tmp_path / 'y.onnx'}")


def test_an_onnx_file_of_other_classes_is_a_problem_of_the_run(tmp_path):
    sources.allow("onnx", f"toy={onnx_model(tmp_path, ['n', *SHAPE])}")
    found = problems(default_config("digits", "brep-mi", target="onnx:toy", classes=[0]))
    assert len(found) == 1 and "[n, 1, 32, 32]" in found[0]
