"""A target behind an HTTP address.

``GET address`` describes it, ``POST address`` asks it::

    GET   -> {"title": "faces/resnet", "shape": [1, 64, 64], "classes": 40, "answers": "scores" | "top-k" | "label",
              "k": 5, "dtype": "float32" | "uint8"}                    k for top-k only; dtype may be left out
    POST  {"images": {"dtype": "float32", "shape": [n, 1, 64, 64], "data": base64}}
      -> {"scores": [[...], ...]}                                      n rows of `classes` confidences
      or {"classes": [[...], ...], "scores": [[...], ...]}             the k best, best first
      or {"labels": [...]}                                             n whole numbers

Status 429 with Retry-After asks to wait; 5xx and a refused connection are retried a few times, and a target that still
does not answer raises `TargetAway`, one that is silent as soon as the time for one answer is over.
A request that is refused as too large (413) is made again in halves, down to one image. Where a token was given it is
sent as ``Authorization: Bearer``; no message repeats it, not even one in which the server says it back.
Everything else that is not such an answer raises `BadAnswer`. Redirects are not followed and proxies not used, so
that nothing but the address itself is ever asked.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import io
import json
import socket
import time
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlsplit

import torch
from torch import Tensor

from workbench.core.errors import BadAnswer, TargetAway
from workbench.core.records import Access
from workbench.targets.remote.base import ForeignTarget, RemoteCard, labels_of, scores_of, top_of
from workbench.targets.remote.wire import packed

BATCH = 256  # images in one request, at first
TRIES = 4
FIRST_WAIT = 0.25  # seconds before the second try; doubled before each further one
LONGEST_WAIT = 60.0  # that a rate limit may ask for
WAITS = 100  # rate limits in a row after which a target counts as away
SECONDS = 30.0  # for one answer
GLANCE = 2.0  # for a look whether it is there
LIMIT = 64 * 2**20  # bytes of an answer


class _Busy(Exception):
    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class _TooLarge(BadAnswer):
    """The request was refused for its size."""


class _Punctual(io.RawIOBase):
    """Reads from a line until a deadline; each wait for more is cut to what is left until then."""

    def __init__(self, line: socket.socket, raw: io.RawIOBase, deadline: float) -> None:
        self._line, self._raw, self._deadline = line, raw, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._line.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _PunctualAnswer(http.client.HTTPResponse):
    """An answer whose head and body have to be there at a deadline, however steadily they trickle."""

    def __init__(self, line: socket.socket, *rest: Any, deadline: float, **more: Any) -> None:
        super().__init__(line, *rest, **more)
        self.fp = io.BufferedReader(_Punctual(line, cast(io.BufferedReader, self.fp).detach(), deadline))


class Endpoint(ForeignTarget):
    """Asks an address, over one connection that is kept open.

    Args:
        name: what messages call it, such as ``http:bank``.
        address: ``http://host:port/path`` or https.
        seconds: how long one answer may take, from its first byte to its last.
        tries: how often a request is made before the target counts as away.
        token: what it wants to see before it answers; "" for none.

    Raises:
        TargetAway, BadAnswer: while it was asked what it offers.
    """

    def __init__(
        self,
        name: str,
        address: str,
        *,
        seconds: float = SECONDS,
        tries: int = TRIES,
        token: str = "",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urlsplit(address)
        self._host, self._port = parts.hostname or "", parts.port
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        self._token = token
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._batch = BATCH
        self._kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._title, self._seconds, self._tries, self._sleep = f"{name} at {address}", seconds, tries, sleep
        self._line: http.client.HTTPConnection | None = None
        super().__init__(name, self._described())

    def _described(self) -> RemoteCard:
        try:
            return RemoteCard.from_json(self._asked("GET"))
        except ValueError as error:
            raise BadAnswer(
                f"{self._title} does not describe a target: {error}. See README, 'A target elsewhere'."
            ) from None

    def confidences(self, images: Tensor) -> Tensor:
        answers, asked = [images.new_zeros(0, self.offer.classes, device="cpu")], 0
        while asked < len(images):
            batch = images[asked : asked + self._batch]
            try:
                answers.append(self._confidences(batch))
            except _TooLarge:
                if len(batch) == 1:
                    raise
                self._batch = len(batch) // 2
            else:
                asked += len(batch)
        return torch.cat(answers).to(images.device)

    def _confidences(self, images: Tensor) -> Tensor:
        """Return confidences (n, K) for a batch (n, C, H, W) that goes in one request."""
        n, offer = len(images), self.offer
        answer = self._asked("POST", json.dumps({"images": packed(images, offer.dtype)}).encode())
        wanted = {Access.SCORES: ("scores",), Access.TOP_K: ("classes", "scores"), Access.LABEL: ("labels",)}[
            offer.access
        ]
        if not isinstance(answer, dict) or not all(isinstance(answer.get(key), list) for key in wanted):
            raise BadAnswer(
                f"{self._title} answered without a list of {' and '.join(wanted)}: {self._begin(str(answer))}"
            )
        if offer.access is Access.LABEL:
            labels = labels_of(self._title, answer["labels"], n, offer.classes)
            return torch.nn.functional.one_hot(labels, offer.classes).float()
        values = self._numbers(answer["scores"])
        if offer.access is Access.SCORES:
            return scores_of(self._title, values, n, offer.classes)
        if not all(isinstance(row, list) for row in answer["classes"]):
            raise BadAnswer(f"{self._title} answered with classes that are no rows.")
        return top_of(self._title, values, answer["classes"], n, offer)

    def _numbers(self, rows: list[Any]) -> Tensor:
        try:
            return torch.tensor(rows, dtype=torch.float32)
        except (TypeError, ValueError, RuntimeError, OverflowError):
            raise BadAnswer(
                f"{self._title} answered with scores that are no rows of numbers of equal length."
            ) from None

    def back(self) -> bool:
        try:
            self._once("GET", None, GLANCE)
        except (TargetAway, BadAnswer):
            return False
        except _Busy:
            return True
        return True

    def _asked(self, method: str, body: bytes | None = None) -> Any:
        """Return the parsed answer, asking again with growing waits while the target is away or busy."""
        wait, tries, waits, until = FIRST_WAIT, 0, 0, time.monotonic() + self._seconds
        while True:
            try:
                return self._once(method, body, self._seconds)
            except _Busy as busy:
                waits += 1
                if waits == WAITS:
                    raise TargetAway(f"{self._title} goes on limiting the rate and answers nothing.") from None
                self._sleep(min(busy.seconds, LONGEST_WAIT))
                until = time.monotonic() + self._seconds
            except TargetAway:
                tries += 1
                if tries >= self._tries or time.monotonic() > until:  # to wait long is the run's affair, which says so
                    raise
                self._sleep(wait)
                wait *= 2

    def _once(self, method: str, body: bytes | None, seconds: float) -> Any:
        deadline = time.monotonic() + seconds
        try:
            line = self._connected(deadline)
            # Who hangs up in the middle of a request may have said why before: that it is too large.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                line.request(method, self._path, body, self._headers)
            answer = line.getresponse()
            text = self._read(answer)
        except TimeoutError:
            self._hang_up()
            raise TargetAway(f"{self._title} did not answer within {seconds:g} s.") from None
        except (OSError, http.client.HTTPException) as error:
            self._hang_up()
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise TargetAway(f"{self._title} cannot be reached: {why[:1].lower()}{why[1:]}.") from None
        if answer.will_close:
            self._hang_up()
        return self._parsed(answer, text)

    def _connected(self, deadline: float) -> http.client.HTTPConnection:
        """Return the line, on which everything from now on has to be over at the deadline."""
        if self._line is None or self._line.sock is None:
            self._line = self._kind(self._host, self._port, timeout=deadline - time.monotonic())
            self._line.connect()
        self._line.sock.settimeout(max(1e-3, deadline - time.monotonic()))
        answers = functools.partial(_PunctualAnswer, deadline=deadline)
        self._line.response_class = cast(type[http.client.HTTPResponse], answers)
        return self._line

    def _read(self, answer: http.client.HTTPResponse) -> bytes:
        """Return the body; one that never ends is cut off at its size."""
        pieces, size = [], 0
        while piece := answer.read1(1 << 16):
            pieces.append(piece)
            size += len(piece)
            if size > LIMIT:
                self._hang_up()
                raise BadAnswer(f"{self._title} answered with more than {LIMIT >> 20} MB.")
        if answer.length:
            raise http.client.IncompleteRead(b"", answer.length)
        answer.close()  # else the line is not free for the next request
        return b"".join(pieces)

    def _parsed(self, answer: http.client.HTTPResponse, text: bytes) -> Any:
        begins = self._begin(text.decode("utf-8", "replace"))
        if answer.status == 429:
            try:
                raise _Busy(max(0.0, float(answer.headers.get("Retry-After", "1"))))
            except ValueError:
                raise _Busy(1.0) from None
        if answer.status >= 500:
            raise TargetAway(f"{self._title} answers with status {answer.status}: {begins}")
        if answer.status == 413:
            raise _TooLarge(f"{self._title} refuses even one image as too large a request (status 413): {begins}")
        if answer.status != 200:
            what = "redirects elsewhere, which is not followed" if 300 <= answer.status < 400 else "refuses the request"
            hint = " Give it its token with --endpoint-token-env." if answer.status == 401 and not self._token else ""
            raise BadAnswer(f"{self._title} {what} (status {answer.status}): {begins}{hint}")
        try:
            return json.loads(text)
        except RecursionError:
            raise BadAnswer(
                f"{self._title} answered with JSON that is nested too deeply, which begins: {begins}"
            ) from None
        except ValueError:
            kind = answer.headers.get_content_type()
            raise BadAnswer(
                f"{self._title} answered with something that is not JSON ({kind}), which begins: {begins}"
            ) from None

    def _begin(self, text: str) -> str:
        """Return how an answer begins, without the token that a server may repeat."""
        if self._token:
            text = text.replace(self._token, "…")
        return " ".join(text[:120].split())

    def _hang_up(self) -> None:
        if self._line is not None:
            with contextlib.suppress(OSError):
                self._line.close()
        self._line = None
