"""What is to be sent, to whom and when; each with one worker at a time, and none lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from redis.asyncio import Redis

from services.errors import NotFound
from services.evidence import Frozen
from services.failpoints import failpoint
from services.store import (
    OUTBOX,
    TENANT_INDEX,
    Event,
    EventType,
    UtcTime,
    as_bytes,
    of_tenant,
    redis_errors,
)

from ._endpoints import Endpoint
from ._sending import SEND_SECONDS

DeliveryStatus: TypeAlias = Literal["waiting", "delivered", "dead"]

_DELIVERY: Final = "assay:webhook:delivery:"
_DUE: Final = "assay:webhook:due"
_OF_RUN: Final = "assay:webhook:run:"
_DONE: Final = "assay:webhook:done"
_DEAD: Final = "assay:webhook:dead"
_PAGE: Final = 200
_FURTHEST: Final = 100_000
_KEYS: Final = [_DUE, _DONE, _DEAD]
_LEASE: Final = timedelta(seconds=3 * SEND_SECONDS)
"""Within this a worker that took a delivery has sent it, or is dead."""
_KEPT: Final[dict[DeliveryStatus, timedelta]] = {
    "delivered": timedelta(days=7),
    "dead": timedelta(days=90),
}

# Two workers may do this at once: one of them finds the event, the other does nothing.
_HAND_OUT: Final = f"""{TENANT_INDEX}
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return 0 end
for i = 5, #ARGV, 2 do
  if redis.call('SET', ARGV[2] .. ARGV[i], ARGV[i + 1], 'NX') then
    redis.call('ZADD', KEYS[2], ARGV[3], ARGV[i])
    redis.call('ZADD', of_tenant(KEYS[2], ARGV[4]), ARGV[3], ARGV[i])
    if KEYS[3] then redis.call('SADD', KEYS[3], ARGV[i]) end
  end
end
return 1
"""

# The score that a delivery gets while it is with a worker tells that worker from the next.
_TAKE: Final = f"""{TENANT_INDEX}
local moment = redis.call('TIME')
local now = moment[1] * 1000 + math.floor(moment[2] / 1000)
local taken = {{}}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[2])) do
  local content = redis.call('GET', ARGV[1] .. id)
  if content then
    local until_then = string.format('%.0f', now + tonumber(ARGV[3]))
    redis.call('ZADD', KEYS[1], until_then, id)
    redis.call('ZADD', of_tenant(KEYS[1], cjson.decode(content).tenant), until_then, id)
    taken[#taken + 1] = {{content, until_then}}
  else redis.call('ZREM', KEYS[1], id) end
end
return taken
"""

# A retry after a lost answer finds its own value in place.
_CONCLUDE: Final = f"""{TENANT_INDEX}
local id, ticket, status, content, at = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local key = ARGV[1] .. id
if redis.call('GET', key) == content then return 1 end
if tonumber(redis.call('ZSCORE', KEYS[1], id) or -1) ~= tonumber(ticket) then return 0 end
local due, list = KEYS[1], status == 'dead' and KEYS[3] or KEYS[2]
local theirs, their_list = of_tenant(due, ARGV[8]), of_tenant(list, ARGV[8])
if status == 'waiting' then
  redis.call('SET', key, content)
  redis.call('ZADD', due, at, id)
  redis.call('ZADD', theirs, at, id)
else
  redis.call('SET', key, content, 'PX', ARGV[7])
  redis.call('ZREM', due, id)
  redis.call('ZREM', theirs, id)
  redis.call('ZADD', list, at, id)
  redis.call('ZADD', their_list, at, id)
  redis.call('ZREMRANGEBYSCORE', list, '-inf', at - ARGV[7])
  redis.call('ZREMRANGEBYSCORE', their_list, '-inf', at - ARGV[7])
end
return 1
"""

_REVIVE: Final = f"""{TENANT_INDEX}
local key = ARGV[1] .. ARGV[2]
if redis.call('ZREM', KEYS[3], ARGV[2]) == 0 and redis.call('GET', key) ~= ARGV[3] then return 0 end
redis.call('SET', key, ARGV[3])
redis.call('ZREM', of_tenant(KEYS[3], ARGV[5]), ARGV[2])
redis.call('ZADD', KEYS[1], ARGV[4], ARGV[2])
redis.call('ZADD', of_tenant(KEYS[1], ARGV[5]), ARGV[4], ARGV[2])
return 1
"""

# What is being handed out or sent meanwhile is not put back: both look whether it is still there.
_REMOVE: Final = f"""{TENANT_INDEX}
for _, line in ipairs(redis.call('LRANGE', KEYS[5], 0, -1)) do
  if string.find(line, ARGV[2], 1, true) then redis.call('LREM', KEYS[5], 0, line) end
end
for _, id in ipairs(redis.call('SMEMBERS', KEYS[4])) do
  local content = redis.call('GET', ARGV[1] .. id)
  for i = 1, 3 do
    redis.call('ZREM', KEYS[i], id)
    if content then redis.call('ZREM', of_tenant(KEYS[i], cjson.decode(content).tenant), id) end
  end
  redis.call('UNLINK', ARGV[1] .. id)
end
return redis.call('UNLINK', KEYS[4])
"""


class Delivery(Frozen):
    """One event on its way to one endpoint."""

    id: str
    event: str
    """The webhook-id, the same at every try."""
    type: EventType
    tenant: str
    endpoint: str
    body: str
    created_at: UtcTime
    began_at: UtcTime
    """When its tries began: at first, or when it was revived."""
    status: DeliveryStatus = "waiting"
    attempts: int = 0
    next_at: UtcTime
    tried_at: UtcTime | None = None
    answer: int = 0
    problem: str = ""

    @classmethod
    def of(cls, event: Event, endpoint: Endpoint, *, at: datetime, site: str = "") -> Delivery:
        """Of one event to one endpoint; links in it begin with the address of our *site*."""
        return cls(
            id=f"{event.id}.{endpoint.id}",
            event=event.id,
            type=event.type,
            tenant=event.tenant,
            endpoint=endpoint.id,
            body=body_of(event, site),
            created_at=at,
            began_at=at,
            next_at=at,
        )


class TakenDelivery(NamedTuple):
    """A delivery that a worker has taken, and which time it was taken."""

    delivery: Delivery
    ticket: int


def body_of(event: Event, site: str = "") -> str:
    """An event as it is sent."""
    links = {name: f"{site}{path}" for name, path in event.data.items() if name.endswith("url")}
    data = {**event.data, **links}
    document = {"type": event.type, "timestamp": event.at.isoformat(), "data": data}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


class Deliveries:
    """
    Deliveries by the time at which they are due, and those that are done or given up.

    Links in them begin with *site*, the address that people reach us at.
    """

    def __init__(self, redis: Redis, *, site: str = "") -> None:
        self._redis = redis
        self._site = site

    @failpoint("webhooks.hand_out")
    async def hand_out(self, line: bytes, endpoints: Sequence[Endpoint], *, at: datetime) -> None:
        """Make a delivery for each of *endpoints* of the event in *line*, which leaves the outbox."""
        event = Event.model_validate_json(line)
        made = [Delivery.of(event, endpoint, at=at, site=self._site) for endpoint in endpoints]
        pairs = [part for one in made for part in (one.id, one.model_dump_json())]
        script = self._redis.register_script(_HAND_OUT)
        run_id = event.data.get("run_id")
        keys = [OUTBOX, _DUE, *([f"{_OF_RUN}{run_id}"] if run_id else [])]
        args: list[Any] = [line, _DELIVERY, _milliseconds(at), event.tenant, *pairs]
        with redis_errors():
            await script(keys=keys, args=args)

    @failpoint("webhooks.take")
    async def take(self, most: int) -> tuple[TakenDelivery, ...]:
        """Due deliveries, the caller's alone until it concludes them or dies."""
        if most <= 0:
            return ()
        lease = int(_LEASE.total_seconds() * 1000)
        taken = await self._run(_TAKE, most, lease)
        return tuple(
            TakenDelivery(Delivery.model_validate_json(as_bytes(content)), int(ticket))
            for content, ticket in taken
        )

    @failpoint("webhooks.conclude")
    async def conclude(self, taken: TakenDelivery, changed: Delivery) -> bool:
        """Put down what came of a try. False when another took the delivery since."""
        at = changed.next_at if changed.status == "waiting" else changed.tried_at
        kept = _KEPT.get(changed.status, timedelta())
        return bool(
            await self._run(
                _CONCLUDE,
                changed.id,
                taken.ticket,
                changed.status,
                changed.model_dump_json(),
                _milliseconds(at or changed.next_at),
                int(kept.total_seconds() * 1000),
                changed.tenant,
            )
        )

    @failpoint("webhooks.redeliver")
    async def redeliver(self, delivery_id: str, *, at: datetime) -> Delivery:
        """Try a dead delivery again, from the beginning and under its old webhook-id."""
        found = await self.get(delivery_id)
        again = found.model_copy(
            update={"status": "waiting", "attempts": 0, "began_at": at, "next_at": at}
        )
        said = again.model_dump_json()
        if not await self._run(_REVIVE, again.id, said, _milliseconds(at), again.tenant):
            raise NotFound(
                "That delivery is not dead.", hint="See `assay webhook dead` for those that are."
            )
        return again

    @failpoint("webhooks.remove_run")
    async def remove_run(self, run_id: str) -> None:
        """Remove what tells of a run: deliveries however they went, and events yet to be handed out."""
        with redis_errors():
            await self._redis.register_script(_REMOVE)(
                keys=[*_KEYS, _OF_RUN + run_id, OUTBOX],
                args=[_DELIVERY, f'"run_id":{json.dumps(run_id)}'],
            )

    async def get(self, delivery_id: str) -> Delivery:
        with redis_errors():
            content = await self._redis.get(_DELIVERY + delivery_id)
        if content is None:
            raise NotFound(
                "There is no delivery of that id.", hint="See `assay webhook deliveries`."
            )
        return Delivery.model_validate_json(as_bytes(content))

    async def list(
        self, *, status: DeliveryStatus | None = None, limit: int = 50, tenant: str | None = None
    ) -> tuple[Delivery, ...]:
        """
        Deliveries of a status, or of all; what happens next or happened last first.

        Those of one *tenant*, or of all.
        """
        keys: dict[DeliveryStatus, str] = {"waiting": _DUE, "delivered": _DONE, "dead": _DEAD}
        found: list[Delivery] = []
        for name in [status] if status else keys:
            key = of_tenant(keys[name], tenant)
            found += await self._listed(key, limit, desc=name != "waiting")
        return tuple(found[:limit])

    async def _listed(self, key: str, limit: int, *, desc: bool) -> tuple[Delivery, ...]:
        found: list[Delivery] = []
        for start in range(0, _FURTHEST, _PAGE):
            with redis_errors():
                ids = await self._redis.zrange(key, start, start + _PAGE - 1, desc=desc)
                names = [_DELIVERY + as_bytes(one).decode() for one in ids]
                contents = await self._redis.mget(names) if names else []
            found += [Delivery.model_validate_json(as_bytes(one)) for one in contents if one]
            if len(ids) < _PAGE or len(found) >= limit:
                break
        return tuple(found[:limit])

    async def _run(self, script: str, *arguments: str | int) -> Any:
        with redis_errors():
            run = self._redis.register_script(script)
            return await run(keys=_KEYS, args=[_DELIVERY, *arguments])


def _milliseconds(at: datetime) -> int:
    return int(at.astimezone(UTC).timestamp() * 1000)
