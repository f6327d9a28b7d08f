"""How long a request's body may be, and how long it may take: it is read, counted, before anything else sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from workbench.core.web.asgi import Application, Message, Receive, Scope, Send, header_of, refuse

PATIENCE = 30.0  # seconds for a body


class TooLong(Exception):
    pass


class Gone(Exception):
    """Whoever asked has hung up."""


class BodyGuard:
    """Refuses a body that is too long (413), too slow (408), or that `problem` finds fault with (400).

    Args:
        limit: bytes that a body sent to a path may have.
        problem: why a body sent to a path is refused, in a sentence, or None.
        streamed: paths whose own handler counts the body while it comes in, too large to be held.
    """

    def __init__(
        self,
        app: Application,
        limit: Callable[[str], int],
        problem: Callable[[str, bytes], str | None] = lambda path, body: None,
        patience: float = PATIENCE,
        streamed: frozenset[str] = frozenset(),
    ) -> None:
        self.app, self.limit, self.problem, self.patience, self.streamed = app, limit, problem, patience, streamed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        said = header_of(scope, "content-length") if scope["type"] == "http" else ""
        if not said and not (scope["type"] == "http" and header_of(scope, "transfer-encoding")):
            return await self.app(scope, receive, send)
        if scope["path"] in self.streamed:
            return await self.app(scope, receive, send)
        limit = self.limit(scope["path"])
        try:
            if said.isdigit() and int(said[:20]) > limit:
                raise TooLong
            async with asyncio.timeout(self.patience):
                body = await whole(receive, limit)
        except TooLong:
            size = f"{limit >> 20} MB" if limit >= 1 << 20 else f"{limit >> 10} KB"
            return await refuse(scope, send, 413, f"A request to this address may have {size}.")
        except TimeoutError:
            return await refuse(scope, send, 408, f"The request did not arrive within {self.patience:g} s.")
        except Gone:
            return None
        if problem := self.problem(scope["path"], body):
            return await refuse(scope, send, 400, problem)
        return await self.app(scope, repeated(body, receive), send)


async def whole(receive: Receive, limit: int) -> bytes:
    """Return a request's body; raises `TooLong` as soon as it is over the limit, `Gone` if it breaks off."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        body += message.get("body", b"")
        if len(body) > limit:
            raise TooLong
        if not message.get("more_body", False):
            return bytes(body)


def repeated(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that hands out a body that was read already, and then what comes after it."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again
