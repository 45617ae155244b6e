-- ARGV: how many members, how many fields and contents of records, the members, those of the
-- records, then those of the values. A thread that holds something else is left alone.
if is_fenced() then return FENCED end
local members, fields = tonumber(ARGV[3]), tonumber(ARGV[4])
local there = redis.call('ZCARD', index)
if there > 0 then
  if there ~= members then return 'taken' end
  for at = 5, 4 + members do
    if not redis.call('ZSCORE', index, ARGV[at]) then return 'taken' end
  end
end
for at = 5, 4 + members do redis.call('ZADD', index, 0, ARGV[at]) end
for at = 5 + members, 4 + members + fields, 2 do redis.call('HSET', records, ARGV[at], ARGV[at + 1]) end
store_values(5 + members + fields)
keep_alive()
return ''
