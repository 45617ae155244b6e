"""Taking a run off the books, once everything that hangs on it is gone."""

from __future__ import annotations

from typing import Final

from redis.asyncio import Redis

from services.failpoints import failpoint

from ._asks import ASKS
from ._connection import redis_errors
from ._queue import RunQueue
from ._runs import _BY_NAME, _BY_TIME, _LEFT, _RUN

_OWN: Final = (
    f"{_RUN}%s",
    *(f"assay:{kind}:{{%s}}" for kind in ("fence", "wish", "effects", "spent")),
)
"""Keys that are a run's alone. What else a run has is removed where it is known."""


@failpoint("runs.remove")
async def remove_run(redis: Redis, run_id: str) -> None:
    """Remove the record of a run and its places in the indexes, in one step; and from the queue."""
    await RunQueue(redis).remove(run_id)
    with redis_errors():
        async with redis.pipeline(transaction=True) as commands:
            commands.zrem(_BY_TIME, run_id)
            commands.zrem(_BY_NAME, run_id)
            commands.srem(_LEFT, run_id)
            commands.hdel(ASKS, run_id)
            commands.unlink(*(key % run_id for key in _OWN))
            await commands.execute()
