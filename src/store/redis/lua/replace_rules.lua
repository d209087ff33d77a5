-- Replaces rules, and raises the revision of all: 11 hexadecimal digits of milliseconds, and 5 that the
-- caller has drawn. Rules are kept behind the revision of all that their last change made.
local head, bodies, places = KEYS[1], KEYS[2], KEYS[3]
local org, previous, new, drawn, now = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local old = redis.call('HGET', bodies, org)
local revision = old and string.sub(old, 17, 24) or string.rep('\0', 8)
if revision == string.sub(new, 1, 8) then
  -- A client that waits for replicas waits for its last write.
  redis.call('SET', head, redis.call('GET', head))
  return 'done'
end
if revision ~= previous then return 'stale' end
if ARGV[6] == '1' then
  local time = redis.call('TIME')
  local server = time[1] * 1000 + math.floor(time[2] / 1000)
  if 60000 < math.abs(server - now) then return 'clock' end
  now = server
end
local last = tonumber(string.sub(redis.call('GET', head) or '0', 1, 11), 16)
local place = string.format('%011x', math.max(last + 1, now)) .. drawn
if old then redis.call('ZREM', places, string.sub(old, 1, 16) .. org) end
redis.call('HSET', bodies, org, place .. new)
redis.call('ZADD', places, 0, place .. org)
redis.call('SET', head, place)
return 'done'
