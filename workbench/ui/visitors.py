"""Who asks: a browser, known by a signed cookie, or a presenter, known by a token; and what is theirs to change.

Every browser gets a cookie that a page cannot read and another site cannot send along, signed with a secret that lies
in the run store. A run belongs to the browser that started it, in all of its tabs and after a reload. Everybody may
watch it; pausing, stopping, renaming, deleting it or going on from its frames is for its owner and for a presenter. What
no browser started, such as a run of the command line, is for everybody who can reach a server of one machine alone, and
for a presenter where others can reach it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from workbench.analysis.background import BackgroundJob
from workbench.core.errors import StoreError, UsageError
from workbench.core.web.asgi import Application, Message, Receive, Scope, Send, headers_of, refuse

BROWSER = re.compile(r"browser-[0-9a-f]{32}")
YEAR = 365 * 86400  # seconds
SHORTEST_TOKEN = 8  # characters
STATE = "visitor"  # where a request keeps who asks


@dataclass(frozen=True)
class Visitor:
    """Who asks.

    Attributes:
        owner: what runs are filed under; "" for who sent no cookie.
        presenter: whether everything is theirs to change.
    """

    owner: str = ""
    presenter: bool = False


NOBODY = Visitor()


class Visitors:
    """Signs and reads cookies, and says whose runs are whose.

    Args:
        folder: where the secret is kept, in a file that nobody else on the machine can read.
        token: what makes a presenter; "" for none.
        shared: whether others than the users of this machine reach the server.

    Raises:
        UsageError: the token is too short.
    """

    def __init__(self, folder: Path, *, token: str = "", shared: bool = False) -> None:
        if token and len(token) < SHORTEST_TOKEN:
            raise UsageError(f"The presenter's token has {len(token)} characters; give it {SHORTEST_TOKEN} or more.")
        self.token, self.shared, self._secret = token, shared, secret_in(folder)
        # Cookies of two servers at one address differ in nothing but their names.
        mark = hashlib.sha256(self._secret).hexdigest()[:8]
        self.browser_cookie, self.presenter_cookie = f"wb-browser-{mark}", f"wb-presenter-{mark}"

    def new(self) -> str:
        """Return the cookie of a browser that was never here."""
        owner = f"browser-{secrets.token_hex(16)}"
        return f"{owner}.{self._signed(owner)}"

    def known(self, cookies: dict[str, str]) -> Visitor:
        """Return who sends these cookies."""
        owner, _, signature = cookies.get(self.browser_cookie, "").partition(".")
        ours = BROWSER.fullmatch(owner) is not None and same(signature, self._signed(owner))
        presents = bool(self.token) and same(cookies.get(self.presenter_cookie, ""), self.presenter_pass())
        return Visitor(owner if ours else "", presents)

    def presenter_pass(self) -> str:
        """Return the presenter's cookie; another token makes another."""
        return self._signed(f"presenter:{self.token}")

    def rater_pass(self, study: str, rater: str) -> str:
        """Return what a rater's cookie is signed with; that of another study is another."""
        return self._signed(f"rater:{study}:{rater}")

    def is_rater(self, study: str, rater: str, signature: str) -> bool:
        """Return whether a rater's cookie was signed here, for this study."""
        return same(signature, self.rater_pass(study, rater))

    def may_change(self, visitor: Visitor, owner: str) -> bool:
        """Return whether what belongs to `owner` is a visitor's to change."""
        if BROWSER.fullmatch(owner):
            return visitor.presenter or visitor.owner == owner
        return visitor.presenter or not self.shared

    def _signed(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


def same(a: str, b: str) -> bool:
    """Return whether two texts are equal, in a time that doesn't tell how far they are."""
    return hmac.compare_digest(a.encode(), b.encode())


def secret_in(folder: Path) -> bytes:
    """Return the folder's secret, made at the first call; raises `StoreError`."""
    path = folder / ".secret"
    try:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            path.chmod(0o600)
        else:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(32))
        if len(secret := path.read_bytes()) < 32:
            raise StoreError(f"{path} is damaged. Delete it and start again; browsers then lose their runs.")
    except OSError as error:
        raise StoreError(
            f"The secret {path} cannot be kept ({error.strerror}). Choose another folder with --runs."
        ) from None
    return secret


def may_end(visitor: Visitor, job: BackgroundJob) -> bool:
    """Return whether a search in the background is a visitor's to end: one of those who asked for it, or a presenter."""
    return visitor.presenter or visitor.owner in job.owners


def visitor_of(request: Any) -> Visitor:
    """Return who sent a request, one of Gradio's or of Starlette's; nobody for None."""
    plain = getattr(request, "request", request)
    return getattr(plain.state, STATE, NOBODY) if plain is not None else NOBODY


def cookies_of(scope: Scope) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in headers_of(scope, "cookie"):
        try:
            found |= {name: morsel.value for name, morsel in SimpleCookie(text).items()}
        except CookieError:
            continue
    return found


class VisitorGuard:
    """Notes in ``request.state`` who asks, gives a new browser its cookie, and lets a presenter in by a link."""

    def __init__(self, app: Application, visitors: Visitors) -> None:
        self.app, self.visitors = app, visitors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if scope["path"] == "/" and (tokens := [value for name, value in query if name == "presenter"]):
            return await self._admit(scope, send, tokens[-1], [pair for pair in query if pair[0] != "presenter"])
        visitor, fresh = self.visitors.known(cookies_of(scope)), ""
        if not visitor.owner and (scope["path"] == "/" or scope["method"] == "POST"):
            fresh = self.visitors.new()
            visitor = Visitor(fresh.partition(".")[0], visitor.presenter)
        scope.setdefault("state", {})[STATE] = visitor

        async def answer(message: Message) -> None:
            if fresh and message["type"] == "http.response.start":
                cookie = set_cookie(self.visitors.browser_cookie, fresh, scope)
                message["headers"] = [*message.get("headers", []), (b"set-cookie", cookie.encode())]
            await send(message)

        return await self.app(scope, receive, answer)

    async def _admit(self, scope: Scope, send: Send, token: str, rest: list[tuple[str, str]]) -> None:
        """Exchange a token for a cookie, and leave the address without it: addresses are remembered and shown."""
        if not self.visitors.token or not same(token, self.visitors.token):
            return await refuse(scope, send, 403, "This is not the presenter's token of this server.")
        cookie = set_cookie(self.visitors.presenter_cookie, self.visitors.presenter_pass(), scope)
        where = f"/?{urlencode(rest)}" if rest else "/"
        return await refuse(scope, send, 303, "Go on as a presenter.", location=where, set_cookie=cookie)


def set_cookie(name: str, value: str, scope: Scope) -> str:
    secure = "; Secure" if scope["scheme"] == "https" else ""
    return f"{name}={value}; Path=/; Max-Age={YEAR}; HttpOnly; SameSite=Lax{secure}"
