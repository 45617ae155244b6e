"""A model server as all its clients share it: where it is, its queue, and whether it is down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

from services.errors import ModelUnavailable, SettingInvalid

_COOL_DOWN: Final = 60.0
"""Seconds for which a server that did not answer is not asked again."""
_HINT: Final = "`assay model check` shows which servers answer"


class Server:
    """
    A server at a base URL.

    It gets one call at a time: a local server works on one anyway, and a call that waits in our
    queue does not use up its time. Once it has failed to answer, the calls behind fail at once, so
    that a dead server costs a run two timeouts and not one for every sentence.
    """

    def __init__(self, url: str) -> None:
        self.url = _base(url)
        parts = urlsplit(self.url)
        self.host = parts.hostname or ""
        self.port = parts.port or {"https": 443}.get(parts.scheme, 80)
        self._turn = asyncio.Lock()
        self._silent_until = 0.0
        self._unanswered = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Our turn to ask; `ModelUnavailable` when the server was silent a moment ago."""
        async with self._turn:
            if time.monotonic() < self._silent_until:
                raise self.refused("did not answer a moment ago, and was not asked again")
            yield

    def answered(self) -> None:
        self._unanswered = 0

    def unanswered(self, what: str) -> ModelUnavailable:
        """The error of a call that ran out of time; after two in a row the server is left alone."""
        self._unanswered += 1
        return self.silent(what) if self._unanswered > 1 else self.refused(what)

    def silent(self, what: str) -> ModelUnavailable:
        """The error of a server that is not there; it is left alone for a while."""
        self._silent_until = time.monotonic() + _COOL_DOWN
        return self.refused(what)

    def refused(self, what: str) -> ModelUnavailable:
        """The error of one call that came to nothing."""
        return ModelUnavailable(f"The model server at {self.host} {what}.", hint=_HINT)


def _base(url: str) -> str:
    """*url* as the client library wants it: `http://host:port` is short for its `/v1`."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise SettingInvalid(
            "The URL of a model server is not valid.", hint="write it like http://127.0.0.1:8081/v1"
        )
    trimmed = url.rstrip("/")
    return trimmed if parts.path.strip("/") else f"{trimmed}/v1"
