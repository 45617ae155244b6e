-- Answers: checkpoints with their writes, and each value they refer to, once.

local shown_values, shown_names, shown_bytes = {}, {}, 0

local function show_values(names)
  for at = 1, #names, 16 do
    local name = string.sub(names, at, at + 15)
    if not shown_names[name] then
      shown_names[name] = true
      local value = redis.call('HGET', values, name)
      if value then
        shown_values[#shown_values + 1] = name
        shown_values[#shown_values + 1] = value
        shown_bytes = shown_bytes + #value
      end
    end
  end
end

local function show(member, head)
  local writes = {}
  for _, task in ipairs(tasks_at(member)) do
    local record = redis.call('HGET', records, task)
    each_write(record, function(_, ref) show_values(ref) end)
    writes[#writes + 1] = string.sub(task, #member + 2)
    writes[#writes + 1] = record
  end
  show_values(parsed(head).refs)
  return {member, head, writes}
end
