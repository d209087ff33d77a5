local value = redis.call('GET', KEYS[1])
if not value then return false end
local time = redis.call('TIME')
local answer = {time[1], time[2], value}
local at, length = 5, struct.unpack('>I4', value)
while at <= length + 4 do
  local org, stamp
  org, stamp, at = struct.unpack('>I4c0I4c0', value, at)
  answer[#answer + 1] = redis.call('GET', ARGV[1] .. 'org:' .. org)
end
return answer
