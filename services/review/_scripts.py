"""What must happen to an item and its indexes in one step."""

from __future__ import annotations

from typing import Final

from services.store import TENANT_INDEX

CREATE: Final = f"""{TENANT_INDEX}
local known = redis.call('GET', KEYS[1])
if known then return known end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[3])
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[3])
redis.call('ZADD', of_tenant(KEYS[2], ARGV[5]), ARGV[2], ARGV[3])
redis.call('ZADD', of_tenant(KEYS[3], ARGV[5]), ARGV[2], ARGV[3])
redis.call('SADD', KEYS[4], ARGV[3])
if ARGV[4] ~= '' then redis.call('ZADD', KEYS[5], ARGV[4], ARGV[3]) end
redis.call('INCR', KEYS[6])
redis.call('INCR', of_tenant(KEYS[6], ARGV[5]))
return ARGV[1]
"""

# A retry after a lost answer finds its own value in place: that is a success too.
REPLACE: Final = f"""{TENANT_INDEX}
local current = redis.call('GET', KEYS[1])
if current == ARGV[2] then return 1 end
if current ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
if ARGV[5] ~= '1' then
  redis.call('ZREM', KEYS[2], ARGV[3])
  redis.call('ZREM', of_tenant(KEYS[2], ARGV[7]), ARGV[3])
end
if ARGV[4] == '1' then redis.call('SADD', KEYS[3], ARGV[3]) end
if ARGV[6] == '' then
  redis.call('ZREM', KEYS[4], ARGV[3])
else
  redis.call('ZADD', KEYS[4], ARGV[6], ARGV[3])
end
redis.call('INCR', KEYS[5])
redis.call('INCR', of_tenant(KEYS[5], ARGV[7]))
return 1
"""

REMOVE: Final = f"""{TENANT_INDEX}
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local item = redis.call('GET', ARGV[1] .. id)
  if item then
    local tenant = cjson.decode(item).tenant or ''
    redis.call('ZREM', of_tenant(KEYS[2], tenant), id)
    redis.call('ZREM', of_tenant(KEYS[3], tenant), id)
    redis.call('INCR', of_tenant(KEYS[6], tenant))
  end
  redis.call('UNLINK', ARGV[1] .. id)
  redis.call('ZREM', KEYS[2], id)
  redis.call('ZREM', KEYS[3], id)
  redis.call('SREM', KEYS[4], id)
  redis.call('ZREM', KEYS[5], id)
end
redis.call('INCR', KEYS[6])
return redis.call('UNLINK', KEYS[1])
"""
