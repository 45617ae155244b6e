"""How often things have happened, by a label of few values, over all processes of a store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from redis.asyncio import Redis

from ._connection import redis_errors
from ._values import as_bytes

_TALLY: Final = "assay:tally:"


class Tally:
    """
    Counts that only grow, for whoever watches; nothing is decided by them.

    A count that is told again after a lost answer is counted twice.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def add(self, what: str, counts: Mapping[str, int]) -> None:
        """Count *what* so many times more under each label."""
        if not counts:
            return
        with redis_errors():
            async with self._redis.pipeline(transaction=True) as commands:
                for label, count in counts.items():
                    commands.hincrby(_TALLY + what, label, count)
                await commands.execute()

    async def of(self, what: str) -> dict[str, int]:
        """How often *what* has happened, by label."""
        with redis_errors():
            found = await self._redis.hgetall(_TALLY + what)
        return {as_bytes(label).decode(): int(count) for label, count in found.items()}
