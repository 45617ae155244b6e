-- ARGV: space, id, task, whether the graph now waits (1 or 0), digests that should be stored
-- already, the task's writes, then digest, value, ... of what may be new.
-- A result, once there, is kept; what has a negative number (errors, interrupts) is replaced.
if is_fenced() then return FENCED end
local gone = lacking(ARGV[7])
if gone ~= '' then return gone end
store_values(9)
local task = 'w' .. string.sub(checkpoint(ARGV[3], ARGV[4]), 2) .. '\0' .. ARGV[5]
local order, writes = {}, {}
local function add(number, _, whole)
  if not writes[number] then order[#order + 1] = number end
  if number < 0 or not writes[number] then writes[number] = whole end
end
each_write(redis.call('HGET', records, task) or '', add)
each_write(ARGV[8], add)
for at, number in ipairs(order) do order[at] = writes[number] end
redis.call('ZADD', index, 0, task)
redis.call('HSET', records, task, table.concat(order))
if ARGV[6] == '1' then
  local member, latest = checkpoint('', ARGV[4]), newest('')
  if not latest or not is_less(member, latest) then redis.call('HSET', records, 'paused', member) end
end
keep_alive()
return ''
