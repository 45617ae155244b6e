"""Types that the stored documents share, and the script that replaces one atomically."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, AwareDatetime
from redis.asyncio import Redis

from ._connection import redis_errors


def _to_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


UtcTime: TypeAlias = Annotated[AwareDatetime, AfterValidator(_to_utc)]
"""An aware time, held in UTC."""

# A retry after a lost answer finds its own value in place: that is a success too.
_SWAP: Final = """
local current = redis.call('GET', KEYS[1])
if current == ARGV[2] then return 1 end
if current ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""


async def swap(redis: Redis, key: str, old: bytes, new: bytes) -> bool:
    """Replace *old* by *new*, unless somebody else replaced it first."""
    with redis_errors():
        return bool(await redis.register_script(_SWAP)(keys=[key], args=[old, new]))


def as_bytes(reply: object) -> bytes:
    """A reply of a client that decodes nothing; its types allow for one that does."""
    assert isinstance(reply, bytes)
    return reply
