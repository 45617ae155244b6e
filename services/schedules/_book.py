"""Where schedules are kept: by tenant and name, and by when they are due."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from datetime import datetime
from typing import Final

from redis.asyncio import Redis

from services.errors import InputConflict, NotFound
from services.failpoints import failpoint
from services.store import as_bytes, redis_errors

from ._schedule import Schedule

_OF_TENANT: Final = "assay:schedules:of:"
_DUE: Final = "assay:schedules:due"
_PAGE: Final = 100

# A name has no colon, so NAME:TENANT tells both.
_ADD: Final = """
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known then return known end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[4])
return ARGV[2]
"""

# A retry after a lost answer finds its own value in place: that is a success too.
_REPLACE: Final = """
local current = redis.call('HGET', KEYS[1], ARGV[1])
if current ~= ARGV[2] and current ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
if ARGV[4] == '' then redis.call('ZREM', KEYS[2], ARGV[5])
else redis.call('ZADD', KEYS[2], ARGV[4], ARGV[5]) end
return 1
"""

_REMOVE: Final = """
redis.call('ZREM', KEYS[2], ARGV[2])
return redis.call('HDEL', KEYS[1], ARGV[1])
"""


class ScheduleBook:
    """Schedules; a tenant sees its own."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @failpoint("schedules.add")
    async def add(self, schedule: Schedule) -> Schedule:
        """Keep a new schedule; `InputConflict` when its name is taken."""
        stored = Schedule.model_validate_json(
            await self._run(
                _ADD,
                schedule.tenant,
                schedule.name,
                schedule.model_dump_json(),
                _score(schedule),
                _member(schedule.tenant, schedule.name),
            )
        )
        if stored.id != schedule.id:
            raise _taken(schedule.name)
        return stored

    async def check_free(self, name: str, *, tenant: str = "") -> None:
        """Raise `InputConflict` when a tenant has a schedule of that name."""
        with redis_errors():
            if await self._redis.hexists(_OF_TENANT + tenant, name):
                raise _taken(name)

    async def get(self, name: str, *, tenant: str = "") -> Schedule:
        """The schedule; `NotFound`, naming one that comes close, when there is none."""
        return Schedule.model_validate_json(await self._content(name, tenant))

    async def list(self, *, tenant: str = "") -> tuple[Schedule, ...]:
        """A tenant's schedules by name."""
        with redis_errors():
            found = await self._redis.hvals(_OF_TENANT + tenant)
        made = (Schedule.model_validate_json(content) for content in found)
        return tuple(sorted(made, key=lambda schedule: schedule.name))

    async def due(self, at: datetime) -> tuple[Schedule, ...]:
        """Schedules of all tenants that are to be looked at, the longest due first."""
        with redis_errors():
            members = await self._redis.zrangebyscore(
                _DUE, "-inf", int(at.timestamp()), start=0, num=_PAGE
            )
        found: list[Schedule] = []
        for member in members:
            name, _, tenant = as_bytes(member).decode().partition(":")
            with redis_errors():
                content = await self._redis.hget(_OF_TENANT + tenant, name)
            found += [Schedule.model_validate_json(content)] if content else []
        return tuple(found)

    async def late(self, since: datetime) -> int:
        """How many schedules were to be looked at before that, and were not."""
        with redis_errors():
            return int(await self._redis.zcount(_DUE, "-inf", f"({int(since.timestamp())}"))

    @failpoint("schedules.change")
    async def change(
        self, name: str, change: Callable[[Schedule], Schedule], *, tenant: str = ""
    ) -> Schedule:
        """Change a schedule as it is now; the changed one."""
        while True:
            old = await self._content(name, tenant)
            changed = change(Schedule.model_validate_json(old))
            if await self._replace(old, changed):
                return changed

    @failpoint("schedules.settle")
    async def settle(self, seen: Schedule, settled: Schedule) -> bool:
        """Put *settled* in place of *seen*; False when somebody changed or removed it since."""
        while True:
            with redis_errors():
                old = await self._redis.hget(_OF_TENANT + seen.tenant, seen.name)
            if old is None or Schedule.model_validate_json(old) != seen:
                return False
            if await self._replace(as_bytes(old), settled):
                return True

    @failpoint("schedules.remove")
    async def remove(self, name: str, *, tenant: str = "") -> Schedule:
        """Remove a schedule, and leave its runs; what it was."""
        was = await self.get(name, tenant=tenant)
        await self._run(_REMOVE, tenant, name, _member(tenant, name))
        return was

    async def _replace(self, old: bytes, new: Schedule) -> bool:
        return bool(
            await self._run(
                _REPLACE,
                new.tenant,
                new.name,
                old,
                new.model_dump_json(),
                "" if new.paused else _score(new),
                _member(new.tenant, new.name),
            )
        )

    async def _run(self, script: str, tenant: str, *arguments: str | bytes | int) -> bytes:
        with redis_errors():
            answer: bytes = await self._redis.register_script(script)(
                keys=[_OF_TENANT + tenant, _DUE], args=list(arguments)
            )
        return answer

    async def _content(self, name: str, tenant: str) -> bytes:
        with redis_errors():
            content = await self._redis.hget(_OF_TENANT + tenant, name)
        if content is None:
            names = [schedule.name for schedule in await self.list(tenant=tenant)]
            close = difflib.get_close_matches(name, names, n=3)
            raise NotFound(
                "There is no schedule of that name.",
                hint=f"Did you mean {', '.join(close)}?" if close else "See `assay schedule list`.",
            )
        return as_bytes(content)


def _taken(name: str) -> InputConflict:
    return InputConflict(
        f"There is a schedule {name!r} already.",
        hint="Name the new one differently, or remove the old one first: `assay schedule remove`.",
    )


def _score(schedule: Schedule) -> int:
    return int(schedule.try_at.timestamp())


def _member(tenant: str, name: str) -> str:
    return f"{name}:{tenant}"
