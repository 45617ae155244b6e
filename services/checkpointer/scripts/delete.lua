if is_fenced() then return FENCED end
redis.call('UNLINK', index, records, values)
return ''
