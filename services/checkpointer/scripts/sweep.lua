-- Choosing what goes, and letting it go with everything that only it referred to.

-- The namespace that a subgraph's namespace lies in.
local function outer_of(space)
  return string.match(space, '^(.*)|[^|]*$') or ''
end

local function survey()
  local found = {order = {}, ids = {}, heads = {}}
  for _, member in ipairs(redis.call('ZRANGEBYLEX', index, '[c\0', '(c\1')) do
    local space, id = split(member)
    if not found.ids[space] then
      found.ids[space] = {}
      found.order[#found.order + 1] = space
    end
    table.insert(found.ids[space], id)
    found.heads[member] = parsed(redis.call('HGET', records, member))
  end
  return found
end

-- The last ones of each namespace. What a task of a checkpoint that goes did in its own
-- namespace can never be resumed, and goes too.
local function last_ones(found, keep)
  local kept, oldest = {}, {}
  local function is_orphan(space, id)
    local outer, owner = outer_of(space), found.heads[checkpoint(space, id)].owner
    if owner == '' or not string.find(space, ':', 1, true) or not found.ids[outer] then return false end
    if kept[checkpoint(outer, owner)] then return false end
    return not oldest[outer] or is_less(owner, oldest[outer])
  end
  for _, space in ipairs(found.order) do
    local alive = {}
    for _, id in ipairs(found.ids[space]) do
      if not is_orphan(space, id) then alive[#alive + 1] = id end
    end
    for at = math.max(1, #alive - keep + 1), #alive do
      kept[checkpoint(space, alive[at])] = true
      oldest[space] = oldest[space] or alive[at]
    end
  end
  return kept
end

local function without(names, others)
  local left = {}
  for at = 1, #names, 8 do
    local name = string.sub(names, at, at + 7)
    local there = false
    for other = 1, #others, 8 do there = there or string.sub(others, other, other + 7) == name end
    if not there then left[#left + 1] = name end
  end
  return table.concat(left)
end

-- A delta channel's value is made of its ancestors' writes, back to the nearest snapshot.
local function keep_ancestors(found, kept)
  local waiting = {}
  for member in pairs(kept) do waiting[#waiting + 1] = member end
  while #waiting > 0 do
    local member = table.remove(waiting)
    local space = split(member)
    local needs, parent = found.heads[member].needs, found.heads[member].parent
    while needs ~= '' and parent ~= '' do
      member = checkpoint(space, parent)
      local head = found.heads[member]
      if not head then break end
      if not kept[member] then
        kept[member] = true
        waiting[#waiting + 1] = member
      end
      needs, parent = without(needs, head.snapshots), head.parent
    end
  end
end

local function delete_in_chunks(command, key, names)
  for at = 1, #names, 1000 do
    redis.call(command, key, unpack(names, at, math.min(at + 999, #names)))
  end
end

-- Writes whose checkpoint goes. Those that came before their checkpoint did stay.
local function doomed_writes(found, kept, refer)
  local doomed = {}
  for _, task in ipairs(redis.call('ZRANGEBYLEX', index, '[w\0', '(w\1')) do
    local member = 'c' .. string.match(task, '^w(.*)%z[^%z]*$')
    local space, id = split(member)
    local ids = found.ids[space] or {}
    local is_ahead = not found.heads[member] and is_less(ids[#ids] or '', id)
    if kept[member] or (is_ahead and next(kept)) then
      each_write(redis.call('HGET', records, task), function(_, ref) refer(ref) end)
    else
      doomed[#doomed + 1] = task
    end
  end
  return doomed
end

-- Lets go of all but the kept checkpoints; a dry run only tells: checkpoints, writes, values, bytes.
local function sweep(found, kept, dry)
  local referred = {}
  local function refer(names)
    for at = 1, #names, 16 do referred[string.sub(names, at, at + 15)] = true end
  end
  local gone = {}
  for member, head in pairs(found.heads) do
    if kept[member] then refer(head.refs) else gone[#gone + 1] = member end
  end
  local writes, unused, bytes = doomed_writes(found, kept, refer), {}, 0
  for _, name in ipairs(redis.call('HKEYS', values)) do
    if not referred[name] then
      unused[#unused + 1] = name
      bytes = bytes + redis.call('HSTRLEN', values, name)
    end
  end
  for _, names in ipairs({gone, writes}) do
    for _, name in ipairs(names) do bytes = bytes + redis.call('HSTRLEN', records, name) end
    if not dry then
      delete_in_chunks('ZREM', index, names)
      delete_in_chunks('HDEL', records, names)
    end
  end
  if not dry then delete_in_chunks('HDEL', values, unused) end
  if redis.call('EXISTS', index) == 0 then redis.call('UNLINK', records, values) end
  table.sort(gone, is_less)
  return {gone, #writes, #unused, bytes}
end
