-- Answers all that a thread is made of.
return {redis.call('ZRANGE', index, 0, -1), redis.call('HGETALL', records), redis.call('HGETALL', values)}
