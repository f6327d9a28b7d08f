"""Any scenario's target behind HTTP, in the shape that `workbench.targets.remote.http` documents."""

from __future__ import annotations

import asyncio
import hmac
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import torch
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from torch import Tensor, nn

from workbench.core.records import Access
from workbench.core.web.bodies import BodyGuard
from workbench.core.web.hosts import HERE, NameGuard, ServedNames
from workbench.targets.remote.base import RemoteCard
from workbench.targets.remote.wire import unpacked

MOST = 1024  # images in one request
SLICE = 32  # images after which another request has its turn
LIMIT = 96 * 2**20  # bytes of a request
PATIENCE = 30.0  # seconds for a request's body


class RateLimiter:
    """At most `rate` images a second; a request is let in while there is any left, and may overdraw it.

    Args:
        rate: images a second; None for no limit.
    """

    def __init__(self, rate: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate, self.clock, self._left, self._then = rate, clock, rate or 0.0, clock()
        self._lock = threading.Lock()

    def take(self, count: int) -> float:
        """Return 0 if `count` images may be answered now, else the seconds to wait."""
        if self.rate is None:
            return 0.0
        with self._lock:
            now = self.clock()
            self._left, self._then = min(self.rate, self._left + self.rate * (now - self._then)), now
            if self._left <= 0:
                return -self._left / self.rate + 1e-3
            self._left -= count
        return 0.0


def answer(model: nn.Module, images: Tensor, card: RemoteCard) -> dict[str, list[Any]]:
    """Return what is released about images (n, C, H, W), as plain data."""
    with torch.no_grad():
        scores = model(images.to(next(model.parameters()).device)).softmax(1)
    if card.access is Access.SCORES:
        return {"scores": scores.tolist()}
    if card.access is Access.TOP_K:
        best = scores.topk(card.k, 1)
        return {"classes": best.indices.tolist(), "scores": best.values.tolist()}
    return {"labels": scores.argmax(1).tolist()}


def refusal(status: int, message: str, **headers: str) -> Response:
    return JSONResponse({"error": message}, status, {name.replace("_", "-"): value for name, value in headers.items()})


def merged(parts: list[dict[str, list[Any]]]) -> dict[str, list[Any]]:
    """Return the answers about several batches as one."""
    return {key: [row for part in parts for row in part[key]] for key in parts[0]}


def offering(
    model: nn.Module,
    card: RemoteCard,
    rate: float | None = None,
    *,
    token: str = "",
    names: ServedNames = HERE,
) -> FastAPI:
    """Return a web application that answers for a target.

    Whoever asks about many images is answered in slices, between which others have their turn.

    Args:
        model: images (n, C, H, W) in [0, 1] to logits (n, K), in eval mode, with whatever defends its output.
        card: what is released of its answers.
        rate: images a second; None for no limit.
        token: what has to be sent as ``Authorization: Bearer``; "" for nothing.
        names: what the server may be called.
    """
    server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    server.add_middleware(BodyGuard, limit=lambda path: LIMIT, patience=PATIENCE)
    server.add_middleware(NameGuard, names=names)
    limiter, turn = RateLimiter(rate), asyncio.Lock()  # a lock of asyncio's is had in the order of asking

    def shut_out(request: Request) -> Response | None:
        sent = request.headers.get("authorization", "")
        if token and not hmac.compare_digest(sent.encode(), f"Bearer {token}".encode()):
            return refusal(401, "missing or wrong token", WWW_Authenticate="Bearer")
        return None

    @server.get("/")
    async def describe(request: Request) -> Response:
        return shut_out(request) or JSONResponse(card.to_json())

    @server.post("/")
    async def ask(request: Request) -> Response:
        if refused := shut_out(request):
            return refused
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return refusal(415, "send JSON, as Content-Type: application/json")
        try:
            data = json.loads(await request.body())
            if not isinstance(data, dict):
                raise ValueError('send {"images": ...}')
            images = unpacked(data.get("images"), card.shape, MOST)
        except (ValueError, RecursionError) as error:
            return refusal(400, str(error)[:200])
        if wait := limiter.take(len(images)):
            return refusal(429, f"at most {rate:g} images a second", Retry_After=f"{wait:.3f}")
        parts = []
        for piece in images.split(SLICE):
            async with turn:
                parts.append(await run_in_threadpool(answer, model, piece, card))
        return Response(json.dumps(merged(parts)), media_type="application/json")

    return server
