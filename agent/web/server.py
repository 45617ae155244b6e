"""The server process: it ends its streams when it is told to end."""

from __future__ import annotations

import asyncio
import socket

import uvicorn
from fastapi import FastAPI


def listen(app: FastAPI, host: str, port: int) -> None:
    """Serve *app* until told to stop; what is being answered then is answered to its end."""
    config = uvicorn.Config(app, host=host, port=port, log_level="warning")
    Server(config, app.state.closing).run()


class Server(uvicorn.Server):
    """Ends streams before it waits for open answers: one that follows a run would never be over."""

    def __init__(self, config: uvicorn.Config, closing: asyncio.Event) -> None:
        super().__init__(config)
        self._closing = closing

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End streams, finish what is under way."""
        self._closing.set()
        await super().shutdown(sockets)
