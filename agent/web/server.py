"""The server: uvicorn, with bounds on connections, and an end that loses no answer."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import signal
import sys
from threading import Thread
from typing import Any, Final

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors import Multiprocess

from agent.web.app import make_app
from agent.web.bounds import MAX_HEAD
from services.settings import load_settings

GRACE: Final = 20
"""Seconds that requests under way have to be answered once the process is told to end."""
HEAD_SECONDS: Final = 10.0
"""For a whole request line and headers, from the connection or its first byte on."""
_CONNECTIONS: Final = 2_000
"""At a time; one more is told to come later."""
_SILENT: Final = 60
"""Seconds for which a process of several may be silent, as one is that still starts; then it is replaced."""
_SWITCH: Final = 0.001
"""Seconds after which a thread that flushed a file has its turn: an answer waits for it."""


def listen(host: str, port: int, *, proxy: str = "", processes: int = 1) -> None:
    """
    Serve until told to stop; the address of *proxy* may say where a request comes from.

    SIGTERM or Ctrl-C takes no new connections, ends streams, and finishes the requests under way,
    within `GRACE` seconds; a second Ctrl-C ends at once. Several processes share the port, and one
    that dies is replaced.
    """
    config = uvicorn.Config(
        "agent.web.server:served",
        factory=True,
        workers=processes,
        host=host,
        port=port,
        http=Connection,
        log_level="warning",
        server_header=False,
        proxy_headers=bool(proxy),  # nobody else says where a request comes from
        forwarded_allow_ips=proxy or None,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=GRACE,
        timeout_worker_healthcheck=_SILENT,
    )
    if processes > 1:
        Multiprocess(config, [config.bind_socket()]).run()
    else:
        uvicorn.Server(config).run()


def served() -> FastAPI:
    """The application of one server process."""
    sys.setswitchinterval(_SWITCH)
    if (parent := multiprocessing.parent_process()) is not None:
        Thread(target=_follow, args=(parent,), daemon=True).start()
    app = make_app(load_settings())
    gc.set_threshold(100_000, 50, 50)
    gc.collect()
    gc.freeze()  # what is imported stays: to look through it takes a third of a second
    return app


def _follow(parent: Any) -> None:
    """End as if told to when the process that would replace this one is gone."""
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


class Connection(HttpToolsProtocol):
    """
    Bounds a head in bytes and in time: uvicorn would take any, and wait for its end for ever.

    So it is with what is no body behind a head, and with a body behind its answer. Headers behind a
    body are left out: uvicorn would have them count as if they came before it.
    """

    _timer: asyncio.TimerHandle | None = None
    _unfinished = 0
    _in_body = _took_body = False

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of a head that has begun, or of a body."""
        goes_on, self._took_body = self._timer is not None, False
        super().data_received(data)
        if self._in_body and not self._took_body:
            self._unfinished += len(data)
            if self._unfinished > MAX_HEAD:
                self.transport.abort()
        elif goes_on and not self._in_body and self._timer is not None:
            self._unfinished += len(data)
            if self._unfinished > MAX_HEAD:
                self.send_400_response("The request's head is too long.")

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of this head."""
        super().on_message_begin()
        self._wait()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, unless it stands behind the body."""
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Wait no longer."""
        self._unfinished, self._in_body = 0, True
        self._stop_waiting()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Note that there is more of the body."""
        self._unfinished, self._took_body = 0, True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait no longer."""
        self._unfinished, self._in_body = 0, False
        self._stop_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Begin to wait for the rest of a body that nobody reads."""
        super().on_response_complete()
        if self._in_body and self.cycle.response_complete and not self.transport.is_closing():
            self._wait()

    def shutdown(self) -> None:
        """End the streams before the requests under way are waited for."""
        self.app_state["closing"].set()
        super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
