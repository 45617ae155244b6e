"""Taking a run off the books, once everything that hangs on it is gone."""

from __future__ import annotations

from typing import Final

from redis.asyncio import Redis

from services.failpoints import failpoint

from ._connection import redis_errors
from ._runs import _BY_NAME, _BY_TIME, _RUN

_OWN: Final = (_RUN, "assay:fence:")
"""Keys that are a run's alone, before its id. What else a run has is removed where it is known."""


@failpoint("runs.remove")
async def remove_run(redis: Redis, run_id: str) -> None:
    """Remove the record of a run and its places in the indexes, in one step."""
    with redis_errors():
        async with redis.pipeline(transaction=True) as commands:
            commands.zrem(_BY_TIME, run_id)
            commands.zrem(_BY_NAME, run_id)
            commands.unlink(*(prefix + run_id for prefix in _OWN))
            await commands.execute()
