"""Indexes that earlier layouts had not, made from the documents that are there."""

from __future__ import annotations

from typing import Any, Final

from redis.asyncio import Redis

from services.failpoints import failpoint

from ._connection import redis_errors
from ._listing import BY_TIME, RUN
from ._runs import FORKS
from ._tenants import TENANT_INDEX

_BATCH: Final = 500

_ITEM: Final = "assay:review:item:"
_DELIVERY: Final = "assay:webhook:delivery:"
_DELIVERIES_OF: Final = "assay:webhook:run:"
_INDEXES: Final = {
    BY_TIME: RUN,
    "assay:review:time": _ITEM,
    "assay:review:open": _ITEM,
    "assay:webhook:due": _DELIVERY,
    "assay:webhook:done": _DELIVERY,
    "assay:webhook:dead": _DELIVERY,
}
"""Indexes of all tenants, and how the keys of the documents that stand in them begin."""

# Looked at and put down in one step: what is removed meanwhile gets no place in an index again.
_PUT: Final = f"""{TENANT_INDEX}
for i = 4, #ARGV do
  local id = ARGV[i]
  local score, content = redis.call('ZSCORE', KEYS[1], id), redis.call('GET', ARGV[1] .. id)
  if score and content then
    local document = cjson.decode(content)
    redis.call('ZADD', of_tenant(KEYS[1], document.tenant or ''), score, id)
    if (document.forked_from or '') ~= '' then
      redis.call('ZADD', string.format(ARGV[2], document.forked_from), score, id)
    end
    if document.endpoint and document.body then
      local run = cjson.decode(document.body).data.run_id
      if run then redis.call('SADD', ARGV[3] .. run, id) end
    end
  end
end
return 1
"""


async def index_what_is_there(redis: Redis) -> None:
    """
    Give every run, review item and delivery its place in its tenant's indexes.

    Doing it twice, or in two processes, or from the start after a crash, is as once.
    """
    for index, prefix in _INDEXES.items():
        cursor = -1
        while cursor:
            with redis_errors():
                reply: Any = await redis.zscan(index, max(cursor, 0), count=_BATCH)
            cursor, scored = int(reply[0]), reply[1]
            if scored:
                await _put(redis, index, prefix, [name for name, _ in scored])


@failpoint("layout.index")
async def _put(redis: Redis, index: str, prefix: str, ids: list[bytes]) -> None:
    script = redis.register_script(_PUT)
    with redis_errors():
        await script(keys=[index], args=[prefix, FORKS, _DELIVERIES_OF, *ids])
