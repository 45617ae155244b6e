"""A run's events as they happen: its audit log, as a stream that goes on where it broke off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event

from agent.asking import FINISHED
from agent.web.access import needs, while_known
from agent.web.api.models import RunEvent, RunId
from agent.web.serving import promptly, runner_of, visible_run
from agent.web.streams import AGAIN, HEARTBEAT, LONGEST, Stream, Streams
from services.access import Identity
from services.audit import Feed
from services.errors import StoreUnavailable

router = APIRouter(prefix="/v1/runs", tags=["runs"])
Reader = Annotated[Identity, Depends(needs("read"))]
LastEventId = Annotated[
    str,
    Header(
        alias="Last-Event-ID",
        pattern=r"^[0-9]{1,12}$",
        description="Number of the last event that was received; the stream goes on behind it.",
    ),
]

_TICK: Final = timedelta(seconds=0.25)

_EXAMPLE: Final = (
    'id: 7\ndata: {"seq": 7, "at": "2026-10-02T07:00:04Z", "event": "step.finished", '
    '"fields": {"step": "plan"}, "text": "step plan", "digest": "..."}\n\n'
    'event: end\ndata: {"status": "done"}\n\n'
)
_ITEM: Final = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("id", "event", "data")},
    "required": ["data"],
}
"""One event of the stream; its data is a JSON document."""


@router.get(
    "/{run_id}/events",
    operation_id="followRun",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"itemSchema": _ITEM, "example": _EXAMPLE}}}},
)
async def follow(
    request: Request, run_id: RunId, who: Reader, last_event_id: LastEventId = "0"
) -> StreamingResponse:
    """
    The entries of the run's audit log, each with its number as id, until the run is finished.

    Then comes an event `end`. A stream that ends without one is to be asked for again; after
    `Last-Event-ID` it leaves nothing out.
    """
    record = await visible_run(request, who, run_id)
    streams: Streams = request.app.state.streams
    feed = Feed(runner_of(request).stores.redis)
    streams.enter(who)
    told = _told(feed, record.id, int(last_event_id), streams)
    return Stream(while_known(request, who, told), streams, who)


async def _told(feed: Feed, run_id: str, seq: int, streams: Streams) -> AsyncGenerator[bytes, None]:
    """The stream's bytes. A run is over once it stands as finished, and says nothing more."""
    loop = asyncio.get_running_loop()
    began = heard = loop.time()
    is_over = False
    yield format_sse_event(comment=f"run {run_id}", retry=AGAIN)
    while not streams.closing.is_set() and loop.time() - began < LONGEST.total_seconds():
        try:
            async with promptly():
                news = await feed.since(run_id, seq)
        except StoreUnavailable:
            return
        for entry in news.entries:
            seq, heard = entry.seq, loop.time()
            event = RunEvent.of(entry).model_dump_json()
            yield format_sse_event(data_str=event, id=str(seq))
        if news.entries or news.status not in {*FINISHED, None}:
            is_over = False
        elif is_over:
            yield format_sse_event(event="end", data_str=_end(news.status))
            return
        else:
            is_over = True
        if loop.time() - heard > HEARTBEAT.total_seconds():
            heard = loop.time()
            yield format_sse_event(comment="still here")
        if not news.has_more:
            await asyncio.sleep(_TICK.total_seconds())


def _end(status: Any) -> str:
    return json.dumps({"status": status or "deleted"})
