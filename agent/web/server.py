"""The server process: uvicorn, with bounds on connections, and an end that loses no answer."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from agent.web.bounds import MAX_HEAD

GRACE: Final = 20
"""Seconds that requests under way have to be answered once the process is told to end."""
HEAD_SECONDS: Final = 10.0
"""For a whole request line and headers, from the connection or its first byte on."""
_CONNECTIONS: Final = 2_000
"""At a time; one more is told to come later."""


def listen(app: FastAPI, host: str, port: int, proxy: str = "") -> None:
    """
    Serve *app* until told to stop; the address of *proxy* may say where a request comes from.

    SIGTERM or Ctrl-C takes no new connections, ends streams, and finishes the requests under way,
    within `GRACE` seconds; a second Ctrl-C ends at once.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=Connection,
        log_level="warning",
        server_header=False,
        proxy_headers=bool(proxy),  # nobody else says where a request comes from
        forwarded_allow_ips=proxy or None,
        h11_max_incomplete_event_size=MAX_HEAD,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=GRACE,
    )
    Server(config, app.state.closing).run()


class Server(uvicorn.Server):
    """Tells the application that it is closing while requests are still under way."""

    def __init__(self, config: uvicorn.Config, closing: asyncio.Event) -> None:
        super().__init__(config)
        self._closing = closing

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End streams, finish what is under way."""
        self._closing.set()
        await super().shutdown(sockets)


class Connection(H11Protocol):
    """Closes a connection whose client does not get to the end of a head: uvicorn would wait for ever."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of a head that has begun."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._wait()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if self.conn.their_state is h11.IDLE:
            self.transport.abort()
