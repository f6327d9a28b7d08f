"""HTTP by uvicorn with an end to waiting for a request's head.

Uvicorn waits for ever for the rest of a head that has begun, or for the first byte of one, so that a few hundred sockets
that say nothing more take up a server.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0  # for a request's first line and headers, all of them


class PromptProtocol(H11Protocol):
    """Hangs up on who has not sent a whole head in time; how long a body may take is the application's affair."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        """Start the clock where a head is awaited and none is running; stop it where the head is there."""
        if self.conn.their_state is not h11.IDLE:
            self._forget()
        elif self._late is None:
            self._late = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
