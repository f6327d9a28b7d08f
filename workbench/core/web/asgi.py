"""The few words of ASGI that the checks need."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def headers_of(scope: Scope, name: str) -> list[str]:
    """Return every value of a request's header, as text."""
    wanted = name.lower().encode()
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == wanted]


def header_of(scope: Scope, name: str) -> str:
    """Return the first value of a request's header, "" without it."""
    return next(iter(headers_of(scope, name)), "")


async def refuse(scope: Scope, send: Send, status: int, sentence: str, **headers: str) -> None:
    """Answer with a sentence for a person and close the connection; a web socket is closed without one."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    body = json.dumps({"error": sentence}).encode()
    sent = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "connection": "close",  # whatever of the request has not been read stays unread
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in sent.items()],
        }
    )
    await send({"type": "http.response.body", "body": body})
