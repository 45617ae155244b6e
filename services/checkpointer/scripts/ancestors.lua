-- ARGV: space, id (empty: the newest), how many. Answers where to go on, then the checkpoints that
-- it came from, nearest first, and their values.
local MOST_BYTES = 8000000
local member = ARGV[4] == '' and newest(ARGV[3]) or checkpoint(ARGV[3], ARGV[4])
local head = member and redis.call('HGET', records, member)
local page, last = {}, ''
while head do
  local parent = parsed(head).parent
  head = parent ~= '' and redis.call('HGET', records, checkpoint(ARGV[3], parent))
  if head then
    page[#page + 1] = show(checkpoint(ARGV[3], parent), head)
    if #page >= tonumber(ARGV[5]) or shown_bytes >= MOST_BYTES then
      last = parent
      break
    end
  end
end
keep_alive()
return {last, page, shown_values}
