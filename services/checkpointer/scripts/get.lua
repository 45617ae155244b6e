-- ARGV: space, id (empty: the newest). Answers nothing, or one checkpoint and its values.
local member = ARGV[4] == '' and newest(ARGV[3]) or checkpoint(ARGV[3], ARGV[4])
local head = redis.call('HGET', records, member)
if not head then return false end
keep_alive()
return {'', {show(member, head)}, shown_values}
