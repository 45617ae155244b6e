"""Taking a run off the books, once everything that hangs on it is gone."""

from __future__ import annotations

from typing import Final

from redis.asyncio import Redis

from services.failpoints import failpoint

from ._asks import ASKS
from ._connection import redis_errors
from ._listing import BY_TIME, RUN
from ._queue import RunQueue
from ._runs import BY_NAME, FORKS, LEFT, STATES
from ._tenants import TENANT_INDEX

_OWN: Final = (
    f"{RUN}%s",
    *(f"assay:{kind}:{{%s}}" for kind in ("fence", "wish", "effects", "spent", "forks")),
)
"""Keys that are a run's alone. What else a run has is removed where it is known."""


# Doing it again finds no record, and counts nothing twice.
_REMOVE: Final = f"""{TENANT_INDEX}
local content = redis.call('GET', KEYS[1])
if content then
  local record = cjson.decode(content)
  if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('HINCRBY', KEYS[2], record.status, -1) end
  redis.call('ZREM', of_tenant(KEYS[3], record.tenant or ''), ARGV[1])
  if (record.forked_from or '') ~= '' then
    redis.call('ZREM', string.format(ARGV[2], record.forked_from), ARGV[1])
  end
end
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('SREM', KEYS[5], ARGV[1])
redis.call('HDEL', KEYS[6], ARGV[1])
if redis.call('ZCARD', KEYS[3]) == 0 then redis.call('DEL', KEYS[2]) end
redis.call('UNLINK', KEYS[1], unpack(KEYS, 7))
return 1
"""


@failpoint("runs.remove")
async def remove_run(redis: Redis, run_id: str) -> None:
    """Remove the record of a run and its places in the indexes, in one step; and from the queue."""
    await RunQueue(redis).remove(run_id)
    record, *others = (key % run_id for key in _OWN)
    with redis_errors():
        await redis.register_script(_REMOVE)(
            keys=[record, STATES, BY_TIME, BY_NAME, LEFT, ASKS, *others],
            args=[run_id, FORKS],
        )
