"""Which of Gradio's addresses are open: those that the page asks for.

Gradio brings many more: uploads, a proxy, ``file=`` of a path or an address (for which it asks a name server on the
internet), descriptions of every event. Nothing here needs them, so they are shut; as is a file or an address of one
within an event, which Gradio would fetch before the event's own function is called.
"""

from __future__ import annotations

import json
import re
from typing import Any

from workbench.core.web.asgi import Application, Receive, Scope, Send, refuse

OURS = re.compile(r"/(wb|study)/.*", re.DOTALL)
READ = re.compile(
    r"/|/(config|theme\.css|favicon\.ico|manifest\.json|robots\.txt)/?"
    r"|/(assets|static|svelte)/[\w./@+-]+"
    r"|/gradio_api/(theme\.css|startup-events|heartbeat/\w{1,40}|queue/data)"
)
EVENT = re.compile(r"/gradio_api/(run/\w{1,80}|queue/join)/?")
SENT = re.compile(rf"{EVENT.pattern}|/gradio_api/(cancel|reset)/?")
FILE = "gradio.FileData"


class GradioDoors:
    """Answers 404 for what the page never asks for."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._open(scope):
            return await self.app(scope, receive, send)
        return await refuse(scope, send, 404, "There is nothing at this address.")

    @staticmethod
    def _open(scope: Scope) -> bool:
        if scope["type"] != "http":
            return False
        known = {"GET": READ, "HEAD": READ, "POST": SENT}.get(scope["method"])
        path = scope["path"]
        return OURS.fullmatch(path) is not None or (known is not None and known.fullmatch(path) is not None)


def event_problem(path: str, body: bytes) -> str | None:
    """Return why an event's body is refused, in a sentence, or None; other addresses' bodies are their own affair."""
    if not EVENT.fullmatch(path):
        return None
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return "An event is sent as JSON, not nested deeply."
    return "An event may not name a file." if names_file(data) else None


def names_file(data: Any) -> bool:
    """Return whether Gradio would look for a file in this: any object of a path that says it is one."""
    left = [data]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            meta = value.get("meta")
            if isinstance(meta, dict) and meta.get("_type") == FILE:
                return True
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
    return False
