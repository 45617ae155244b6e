-- ARGV: how many to keep of each space (0: none), 1 for a dry run. Answers what goes.
if is_fenced() then return FENCED end
local found = survey()
local keep = tonumber(ARGV[3])
local kept = keep > 0 and last_ones(found, keep) or {}
keep_ancestors(found, kept)
local told = sweep(found, kept, ARGV[4] == '1')
keep_alive()
return told
