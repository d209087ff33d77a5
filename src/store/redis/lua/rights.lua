-- Which of the commands that scripts give this user may not give, tried where nothing is.
local key, refused = KEYS[1], {}
local function try(...)
  local answer = redis.pcall(...)
  if type(answer) == 'table' and answer.err and not string.find(answer.err, 'OOM') then
    refused[#refused + 1] = ({...})[1]
  end
end
try('GET', key)
try('MGET', key)
try('GETRANGE', key, 0, 8)
try('SETRANGE', key, 0, '')
try('SET', key, '', 'XX')
try('EXISTS', key)
try('PERSIST', key)
try('PEXPIRE', key, 1)
try('PTTL', key)
try('ZADD', key, 'XX', 0, 'x')
try('ZREM', key, 'x')
try('ZSCORE', key, 'x')
try('ZCARD', key)
try('ZREVRANK', key, 'x')
try('ZREVRANGE', key, 0, 0)
try('ZRANGEBYSCORE', key, 0, 0)
try('ZRANGEBYLEX', key, '-', '+')
try('HGET', key, 'x')
try('HSET', key, 'x', 'x')
try('DEL', key)
try('TIME')
return refused
