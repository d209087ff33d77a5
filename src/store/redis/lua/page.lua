-- The entries of a list after a place, downwards. If that place has no entry any more, one is put
-- there for a moment, to see where it is.
local score, id, count = ARGV[1], ARGV[2], ARGV[3]
local start = 0
if id ~= '' then
  local empty = not redis.call('ZSCORE', KEYS[1], id)
  if empty then redis.call('ZADD', KEYS[1], score, id) end
  start = redis.call('ZREVRANK', KEYS[1], id)
  if empty then redis.call('ZREM', KEYS[1], id) else start = start + 1 end
end
return redis.call('ZREVRANGE', KEYS[1], start, start + count - 1, 'WITHSCORES')
