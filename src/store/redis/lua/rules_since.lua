-- The revision of all rules, and after it names and rules, in the order of their last changes.
local answer = {redis.call('GET', KEYS[1]) or ''}
for _, place in ipairs(redis.call('ZRANGEBYLEX', KEYS[3], ARGV[1], '+', 'LIMIT', 0, ARGV[2])) do
  answer[#answer + 1] = string.sub(place, 17)
  answer[#answer + 1] = redis.call('HGET', KEYS[2], string.sub(place, 17))
end
return answer
