"""
Events for whoever listens outside, put down with what they tell of.

A run's change of state and its event are one script, so neither is there without the other. What is
no run's own is put with a key: whoever cannot know whether it was put puts it again. Nothing is put
while there is no endpoint to send it to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Self, TypeAlias, get_args

from redis.asyncio import Redis

from services.evidence import Frozen
from services.failpoints import failpoint

from ._connection import redis_errors
from ._values import UtcTime, as_bytes

EventType: TypeAlias = Literal[
    "run.accepted",
    "run.waiting",
    "run.failed",
    "run.done",
    "run.rejected",
    "run.cancelled",
    "run.withdrawn",
    "review.opened",
    "review.decided",
    "review.reminder",
    "review.escalated",
    "report.published",
]
EVENT_TYPES: Final[tuple[EventType, ...]] = get_args(EventType)

ENDPOINTS: Final = "assay:webhook:endpoints"
OUTBOX: Final = "assay:webhook:outbox"
OUTBOX_KEYS: Final = (OUTBOX, ENDPOINTS)
_ONCE: Final = "assay:webhook:put:"
_REMEMBERED: Final = timedelta(days=30)

PUT: Final = """
local function put(outbox, endpoints, first)
  if ARGV[first] and redis.call('EXISTS', endpoints) == 1 then
    redis.call('RPUSH', outbox, unpack(ARGV, first))
  end
end
"""
"""Lua that puts the events among ARGV, from *first* to the last."""

_PUT_ONCE: Final = f"""{PUT}
if redis.call('SET', KEYS[3], 1, 'NX', 'PX', ARGV[1]) then put(KEYS[1], KEYS[2], 2) end
return 1
"""


class Event(Frozen):
    """Something that happened, as it is told outside: names and states, no figures, no persons."""

    id: str
    """The same however often it is put and sent: receivers tell a second delivery by it."""
    type: EventType
    at: UtcTime
    tenant: str = ""
    data: dict[str, Any]

    @classmethod
    def of(cls, name: str, data: Mapping[str, Any], *, key: str, at: datetime, tenant: str) -> Self:
        """An event whose id follows from *key*."""
        event_id = "evt_" + hashlib.sha256(f"{tenant}\0{key}".encode()).hexdigest()[:32]
        return cls.model_validate(
            {"id": event_id, "type": name, "at": at, "tenant": tenant, "data": dict(data)}
        )


class Outbox:
    """Events that nobody has handed to the endpoints yet, oldest first."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @failpoint("outbox.put")
    async def put(self, event: Event) -> None:
        """Put an event, once: an event of the same id is put no second time."""
        script = self._redis.register_script(_PUT_ONCE)
        remembered = int(_REMEMBERED.total_seconds() * 1000)
        with redis_errors():
            await script(keys=[*OUTBOX_KEYS, _ONCE + event.id], args=[remembered, *lines([event])])

    async def waiting(self, limit: int = 100) -> tuple[bytes, ...]:
        """The oldest events as they are stored."""
        with redis_errors():
            found = await self._redis.lrange(OUTBOX, 0, limit - 1)
        return tuple(map(as_bytes, found))


def lines(events: Sequence[Event]) -> list[bytes]:
    """Events as they are stored."""
    return [event.model_dump_json().encode() for event in events]
