"""Whether anybody has to say who they are."""

from __future__ import annotations

from typing import Final

from redis.asyncio import Redis

from services.store import redis_errors

_MEMBERS: Final = ("assay:access:keys", "assay:access:users")


async def has_members(redis: Redis) -> bool:
    """Whether there is a key or a user; an expired key is one too."""
    with redis_errors():
        return bool(await redis.exists(*_MEMBERS))
