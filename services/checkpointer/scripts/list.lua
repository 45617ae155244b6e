-- ARGV: 1 for one space or 0 for all, the space, the member to start below (empty: the end), an id
-- that all must come before (empty: none), how many, marks that a head must have.
-- Answers where to go on (empty: nothing is left), checkpoints newest first, and their values.
local MOST_BYTES, MOST_LOOKED_AT, STRIDE = 8000000, 2000, 100
local low, high = '[c\0', '(c\1'
if ARGV[3] == '1' then low, high = '[' .. checkpoint(ARGV[4], ''), '(c\0' .. ARGV[4] .. '\1' end
if ARGV[5] ~= '' then high = '(' .. ARGV[5] end
local before, count, marks = ARGV[6], tonumber(ARGV[7]), ARGV[8]

local function is_wanted(member, head)
  if before ~= '' and not is_less(select(2, split(member)), before) then return false end
  if marks == '' then return true end
  local there = parsed(head).marks
  for at = 1, #marks, 8 do
    if not string.find(there, string.sub(marks, at, at + 7), 1, true) then return false end
  end
  return true
end

local page, looked_at, last = {}, 0, ''
local function is_full()
  return #page >= count or shown_bytes >= MOST_BYTES or looked_at >= MOST_LOOKED_AT
end
while not is_full() do
  local members = redis.call('ZREVRANGEBYLEX', index, high, low, 'LIMIT', 0, STRIDE)
  for _, member in ipairs(members) do
    if is_full() then break end
    local head = redis.call('HGET', records, member)
    if is_wanted(member, head) then page[#page + 1] = show(member, head) end
    looked_at, last = looked_at + 1, member
  end
  high = '(' .. last
  if #members < STRIDE and members[#members] == last then last = '' end
  if #members == 0 then last = '' end
  if last == '' then break end
end
keep_alive()
return {last, page, shown_values}
