"""Under which names a server answers, and to whose pages.

A page of another site can make a browser ask a server on the same machine. Where it uses that site's own name for it
(DNS rebinding), the browser takes the answer for the site's own and lets the page read it: so a request that calls
the server by a name that is not its own is refused. Where it uses the server's name, the browser says whose page asks,
in ``Origin`` and ``Sec-Fetch-Site``: a request on behalf of another site's page is refused as well, except for
following a link. Who asks without a browser sends neither.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from workbench.core.errors import UsageError
from workbench.core.web.asgi import Application, Receive, Scope, Send, header_of, headers_of, refuse

LOOPBACK = ("127.0.0.1", "localhost", "::1")
EVERYWHERE = ("0.0.0.0", "::", "")
PORTS = {"http": 80, "https": 443}


def split_authority(text: str) -> tuple[str, int | None] | None:
    """Return host, in small letters and without brackets, and port of ``host[:port]``; None if it is neither."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or parts.netloc != text or "@" in text or any(c.isspace() for c in text):
        return None
    return host, port


def is_loopback(host: str) -> bool:
    """Return whether a server that listens there can be reached from its own machine alone."""
    address = address_of(host)
    return host == "localhost" if address is None else address.is_loopback


def address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that a text writes out, None for a name; one of IPv4 within IPv6 is that of IPv4."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


@dataclass(frozen=True)
class ServedNames:
    """What a server may be called.

    Attributes:
        names: host and port, in small letters; a port of None is any.
        everywhere: it listens on all addresses of the machine, and is called by the one that a request came in at.
    """

    names: frozenset[tuple[str, int | None]]
    everywhere: bool = False

    @classmethod
    def of(cls, host: str, port: int, more: Iterable[str] = ()) -> ServedNames:
        """Return the names of a server that listens at `host`; `more` are ``NAME`` or ``NAME:PORT``.

        Raises:
            UsageError: one of `more` is no name.
        """
        names: set[tuple[str, int | None]] = {(name, port) for name in LOOPBACK}
        if host in EVERYWHERE:
            names.add((socket.gethostname().lower(), port))
        else:
            names.add((host.lower(), port))
        for text in more:
            name = split_authority(f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text)
            if name is None:
                raise UsageError(f"--allow-host {text}: write it as NAME or NAME:PORT, such as lab.example:8080.")
            names.add(name)
        return cls(frozenset(names), host in EVERYWHERE)

    def include(self, authority: str, scheme: str, arrived: tuple[str, int] | None) -> bool:
        """Return whether a request may call the server that.

        Args:
            authority: the header ``Host``.
            scheme: "http" or "https".
            arrived: address and port at which the request came in.
        """
        called = split_authority(authority)
        if called is None:
            return False
        host, port = called[0], called[1] or PORTS[scheme]
        if (host, port) in self.names or (host, None) in self.names:
            return True
        if not self.everywhere or arrived is None or port != arrived[1]:
            return False
        here = address_of(arrived[0])
        return here is not None and address_of(host) == here


HERE = ServedNames(frozenset((name, None) for name in LOOPBACK))  # a server of one machine, whatever its port


def same_site(origin: str, authority: str) -> bool:
    """Return whether a page's origin is the server as the request calls it; a gateway before it may speak https."""
    parts, called = urlsplit(origin), split_authority(authority)
    page = split_authority(parts.netloc)
    if parts.scheme not in PORTS or page is None or called is None:
        return False
    usual = PORTS[parts.scheme]
    return (page[0], page[1] or usual) == (called[0], called[1] or usual)


def foreign_page(scope: Scope) -> bool:
    """Return whether a browser sends this on behalf of another site's page, other than by following a link."""
    origins = headers_of(scope, "origin")
    if origins and not all(same_site(origin, header_of(scope, "host")) for origin in origins):
        return True
    link = scope.get("method") in ("GET", "HEAD") and header_of(scope, "sec-fetch-mode") == "navigate"
    return header_of(scope, "sec-fetch-site") in ("cross-site", "same-site") and not link


class NameGuard:
    """Refuses a request under a name that is not the server's (421), or on behalf of another site's page (403)."""

    def __init__(self, app: Application, names: ServedNames) -> None:
        self.app, self.names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        called = headers_of(scope, "host")
        scheme = "https" if scope["scheme"] in ("https", "wss") else "http"
        if len(called) != 1 or not self.names.include(called[0], scheme, scope.get("server")):
            shown = ", ".join(called)[:80]
            return await refuse(
                scope, send, 421, f"This server is not '{shown}'. Who runs it may add that name with --allow-host NAME."
            )
        if foreign_page(scope):
            return await refuse(scope, send, 403, "A page of another site may not ask this server.")
        return await self.app(scope, receive, send)
