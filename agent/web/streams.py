"""Streams of events: how many a process has open, how long one lasts, and that they end with it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from services.access import Identity
from services.errors import TooManyRequests

HEARTBEAT: Final = timedelta(seconds=10)
LONGEST: Final = timedelta(minutes=15)
"""Then the client comes again."""
AGAIN: Final = 2_000
"""Milliseconds that a client waits before it comes again."""
_MOST: Final = 200
_MOST_OF_ONE: Final = 20


@dataclass(slots=True)
class Streams:
    """The streams that this process has open."""

    closing: asyncio.Event
    """Set at the end of the process: streams end, and their clients go elsewhere."""
    _open: Counter[tuple[str, str | None]] = field(default_factory=Counter)

    def enter(self, who: Identity) -> None:
        """Count one more; raises `TooManyRequests` when there are enough."""
        name = (who.name, who.tenant)
        if self._open.total() >= _MOST or self._open[name] >= _MOST_OF_ONE:
            raise TooManyRequests(
                "As many event streams are open as may.",
                hint="Close one, or ask for the run now and then instead.",
                retry_after=AGAIN / 1000,
            )
        self._open[name] += 1

    def leave(self, who: Identity) -> None:
        name = (who.name, who.tenant)
        self._open[name] -= 1
        if not self._open[name]:
            del self._open[name]


class Stream(StreamingResponse):
    """A response that is counted as long as it lasts, however it ends."""

    def __init__(self, content: AsyncIterator[bytes], streams: Streams, who: Identity) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(content, media_type="text/event-stream", headers=headers)
        self._streams, self._who = streams, who

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.leave(self._who)
