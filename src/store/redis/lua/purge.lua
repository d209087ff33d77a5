local checked, now, most = ARGV[2], ARGV[3], ARGV[4]

if checked == '1' and is_off(now) then return false end
local ids = redis.call('ZRANGEBYSCORE', purge_key, '-inf', now, 'LIMIT', 0, most)
local purged = 0
for _, id in ipairs(ids) do
  local segments = read(id)
  if segments then
    take_off(id, segments)
    redis.call('DEL', session_key(id))
    purged = purged + 1
  end
  redis.call('ZREM', purge_key, id)
end
return {purged, #ids}
