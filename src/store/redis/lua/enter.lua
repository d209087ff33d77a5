-- Enters an id into a list, unless there are as many others as may be. A list lives as long as the
-- entry that lives longest.
local id, created, life, cap, except = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if cap ~= '' and not redis.call('ZSCORE', KEYS[1], id) then
  local others = redis.call('ZCARD', KEYS[1])
  if except ~= '' and redis.call('ZSCORE', KEYS[1], except) then others = others - 1 end
  if tonumber(cap) <= others then return 'full' end
end
local new = redis.call('EXISTS', KEYS[1]) == 0
redis.call('ZADD', KEYS[1], created, id)
if life == '' then
  redis.call('PERSIST', KEYS[1])
else
  local left = redis.call('PTTL', KEYS[1])
  if new or (0 <= left and left < tonumber(life)) then redis.call('PEXPIRE', KEYS[1], life) end
end
return 'done'
