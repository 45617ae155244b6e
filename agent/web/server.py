"""The server process: it ends its streams when it is told to end."""

from __future__ import annotations

from types import FrameType

import uvicorn

from agent.web.openapi import Door


class _Server(uvicorn.Server):
    """uvicorn waits for open answers when it ends; one that follows a run would never be over."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        app = self.config.app
        assert isinstance(app, Door)
        app.state.streams.closing = True
        super().handle_exit(sig, frame)


def run_server(app: Door, *, host: str, port: int) -> None:
    """Serve until a signal says stop; what is being answered then is answered to its end."""
    _Server(uvicorn.Config(app, host=host, port=port, log_level="warning")).run()
