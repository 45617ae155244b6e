"""The inbox as it changes: counts of the tabs, and the rows that are not what they were."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event

from agent.web.access import Who, while_known
from agent.web.pages.inbox import SHOWN, Wanted, read_inbox, rows_of
from agent.web.pages.wording import Row
from agent.web.serving import promptly, runner_of
from agent.web.streams import AGAIN, HEARTBEAT, LONGEST, Stream, Streams
from services.access import Identity
from services.errors import StoreUnavailable

router = APIRouter(prefix="/reviews", include_in_schema=False)

_TICK: Final = 1.0
"""Seconds between looks whether anything has changed: more often nobody is told."""


@router.get("/events")
async def follow(request: Request, who: Who) -> StreamingResponse:
    """
    What the page of the same address shows, whenever it changes: `counts`, `items` in order, `rows`.

    Only rows that changed are in it. The stream lasts as those of runs do, and counts with them.
    """
    who.require("read")
    wanted = Wanted.of(request)
    wanted.chosen((await read_inbox(request, who, wanted)).counts())
    streams: Streams = request.app.state.streams
    streams.enter(who)
    told = _told(request, who, wanted, streams)
    return Stream(while_known(request, who, told), streams, who)


async def _told(
    request: Request, who: Identity, wanted: Wanted, streams: Streams
) -> AsyncGenerator[bytes, None]:
    """The stream's bytes. Ages and deadlines change by themselves: every heartbeat looks at them."""
    loop, reviews = asyncio.get_running_loop(), runner_of(request).stores.reviews
    began = loop.time()
    looked, seen, view = float("-inf"), -1, _View()
    yield format_sse_event(comment="inbox", retry=AGAIN)
    while not streams.closing.is_set() and loop.time() - began < LONGEST.total_seconds():
        try:
            async with promptly():
                revision = await reviews.revision(tenant=who.tenant)
            if revision != seen or loop.time() - looked > HEARTBEAT.total_seconds():
                looked, seen = loop.time(), revision
                news = await view.news(request, who, wanted)
                yield (
                    format_sse_event(data_str=news)
                    if news
                    else format_sse_event(comment="still here")
                )
        except StoreUnavailable:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_TICK):
                await streams.closing.wait()


class _View:
    """What one client has been told."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._said: dict[str, Any] = {}

    async def news(self, request: Request, who: Identity, wanted: Wanted) -> str:
        """What it has not been told, as JSON; empty when there is nothing."""
        inbox = await read_inbox(request, who, wanted)
        counts = inbox.counts()
        items = inbox.tabs[wanted.chosen(counts)]
        rows = await rows_of(request, items[:SHOWN])
        said = {"counts": counts, "items": list(rows), "more": len(items) > SHOWN}
        changed = {name: row for name, row in rows.items() if self._rows.get(name) != row}
        if said == self._said and not changed:
            return ""
        self._said, self._rows = said, rows
        return json.dumps({**said, "rows": {i: row.model_dump() for i, row in changed.items()}})
