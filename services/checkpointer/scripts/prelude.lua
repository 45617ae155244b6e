-- What every script begins with.
--
-- KEYS: index, records, values, and the fence where the saver has one.
-- ARGV: milliseconds to live (0: leave it alone), the saver's fencing token, then the script's own.
--
-- A checkpoint's member of the index, and field of the records, is c NUL space NUL id; that of a
-- task's writes is w NUL space NUL id NUL task. Values go by their 16-byte digest.

local index, records, values, fence = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local FENCED = 'fenced'

local function is_fenced()
  return fence and redis.call('GET', fence) ~= ARGV[2]
end

local function checkpoint(space, id)
  return 'c\0' .. space .. '\0' .. id
end

local function split(member)
  return string.match(member, '^c%z(.*)%z([^%z]*)$')
end

-- By bytes, as the index is ordered: the language's own comparison follows the server's locale.
local function is_less(one, other)
  for at = 1, math.min(#one, #other) do
    local this, that = string.byte(one, at), string.byte(other, at)
    if this ~= that then return this < that end
  end
  return #one < #other
end

local function newest(space)
  local first = checkpoint(space, '')
  return redis.call('ZREVRANGEBYLEX', index, '(c\0' .. space .. '\1', '[' .. first, 'LIMIT', 0, 1)[1]
end

-- The members of the tasks that wrote at a checkpoint.
local function tasks_at(member)
  local stem = 'w' .. string.sub(member, 2)
  return redis.call('ZRANGEBYLEX', index, '[' .. stem .. '\0', '(' .. stem .. '\1')
end

-- Everything of a thread lives and dies together. A thread that waits for a person stays.
local function keep_alive()
  local ttl = tonumber(ARGV[1])
  if ttl == 0 then return end
  local paused = redis.call('HGET', records, 'paused')
  local waits = paused and paused == newest('')
  for key = 1, 3 do
    if waits then
      redis.call('PERSIST', KEYS[key])
    else
      redis.call('PEXPIRE', KEYS[key], ttl)
    end
  end
end

-- Of the digests strung together in names, those that no value is stored for.
local function lacking(names)
  local gone = {}
  for at = 1, #names, 16 do
    local name = string.sub(names, at, at + 15)
    if redis.call('HEXISTS', values, name) == 0 then gone[#gone + 1] = name end
  end
  return table.concat(gone)
end

-- Store the values that stand in ARGV from first on, as digest, value, ...
local function store_values(first)
  for at = first, #ARGV, 2 do redis.call('HSETNX', values, ARGV[at], ARGV[at + 1]) end
end

local function parsed(head)
  local run, marks, parent, owner, needs, snapshots, refs = struct.unpack('>Hc0Hc0Hc0Hc0Hc0Hc0Ic0', head)
  return {
    run = run, marks = marks, parent = parent, owner = owner, needs = needs, snapshots = snapshots, refs = refs,
  }
end

-- Calls each(number, ref, whole) for every write that a task's record holds.
local function each_write(record, each)
  local at = 1
  while at <= #record do
    local number, ref, _, after = struct.unpack('>hBc0Ic0', record, at)
    each(number, ref, string.sub(record, at, after - 1))
    at = after
  end
end
