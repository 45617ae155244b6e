-- ARGV: space, id, head, how many to keep (0: all), digests that should be stored already,
-- then digest, value, ... of what may be new. Answers nothing, or the digests that are not stored.
if is_fenced() then return FENCED end
local gone = lacking(ARGV[7])
if gone ~= '' then return gone end
store_values(8)
local member = checkpoint(ARGV[3], ARGV[4])
redis.call('ZADD', index, 0, member)
redis.call('HSET', records, member, ARGV[5])
local keep = tonumber(ARGV[6])
if keep > 0 and redis.call('ZLEXCOUNT', index, '[' .. checkpoint(ARGV[3], ''), '(c\0' .. ARGV[3] .. '\1') > keep then
  local found = survey()
  local kept = last_ones(found, keep)
  kept[member] = true
  keep_ancestors(found, kept)
  sweep(found, kept, false)
end
keep_alive()
return ''
