-- ARGV: digests of run ids, strung together. Their checkpoints go, but for those that a delta
-- channel of another run's checkpoint is made of.
if is_fenced() then return FENCED end
local found, kept, doomed, any = survey(), {}, {}, false
for at = 3, #ARGV do doomed[ARGV[at]] = true end
for member, head in pairs(found.heads) do
  if doomed[head.run] then any = true else kept[member] = true end
end
if any then
  keep_ancestors(found, kept)
  sweep(found, kept, false)
end
keep_alive()
return ''
