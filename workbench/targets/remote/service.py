"""Any scenario's target behind HTTP, in the shape that `workbench.targets.remote.http` documents."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable

import torch
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from torch import Tensor, nn

from workbench.core.records import Access
from workbench.targets.remote.base import RemoteCard
from workbench.targets.remote.wire import unpacked

MOST = 1024  # images in one request
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


def answer(model: nn.Module, images: Tensor, offer: RemoteCard) -> dict[str, list]:
    """Return what is released about images (n, C, H, W), as plain data."""
    with torch.no_grad():
        scores = model(images.to(next(model.parameters()).device)).softmax(1)
    if offer.access is Access.SCORES:
        return {"scores": scores.tolist()}
    if offer.access is Access.TOP_K:
        best = scores.topk(offer.k, 1)
        return {"classes": best.indices.tolist(), "scores": best.values.tolist()}
    return {"labels": scores.argmax(1).tolist()}


def refusal(status: int, message: str, **headers: str) -> Response:
    return JSONResponse({"error": message}, status, headers)


def offering(model: nn.Module, offer: RemoteCard, rate: float | None = None) -> FastAPI:
    """Return a web application that answers for a target.

    Args:
        model: images to logits, in eval mode, with whatever defends its output.
        offer: what is released of its answers.
        rate: images a second; None for no limit.
    """
    server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    allowance, one_at_a_time = RateLimiter(rate), threading.Lock()

    def compute(images: Tensor) -> bytes:
        with one_at_a_time:
            return json.dumps(answer(model, images, offer)).encode()

    @server.get("/")
    async def describe() -> Response:
        return JSONResponse(offer.to_json())

    @server.post("/")
    async def ask(request: Request) -> Response:
        body = bytearray()
        try:
            async with asyncio.timeout(PATIENCE):
                async for piece in request.stream():
                    body += piece
                    if len(body) > LIMIT:
                        return refusal(413, f"a request may have {LIMIT >> 20} MB")
        except TimeoutError:
            return refusal(408, f"the request did not arrive within {PATIENCE:g} s")
        try:
            data = json.loads(bytes(body))
            if not isinstance(data, dict):
                raise ValueError('send {"images": ...}')
            images = unpacked(data.get("images"), offer.shape, MOST)
        except (ValueError, RecursionError) as error:
            return refusal(400, str(error)[:200])
        if wait := allowance.take(len(images)):
            return refusal(429, f"at most {rate:g} images a second", **{"Retry-After": f"{wait:.3f}"})
        return Response(await run_in_threadpool(compute, images), media_type="application/json")

    return server
