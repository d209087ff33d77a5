-- Puts a value in the place of another. The head of each is its revision and whether it has ended.
local head = redis.call('GETRANGE', KEYS[1], 0, 8)
if string.sub(head, 1, 8) == string.sub(ARGV[2], 1, 8) then
  -- A client that waits for replicas waits for its last write.
  redis.call('SETRANGE', KEYS[1], 0, string.sub(head, 1, 8))
  return 'done'
end
if string.sub(head, 9) ~= 'L' then return 'gone' end
if string.sub(head, 1, 8) ~= ARGV[1] then return 'stale' end
if ARGV[3] == '' then
  redis.call('SET', KEYS[1], ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 'done'
