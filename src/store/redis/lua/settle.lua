-- Marks how far an end has come: whether replicas have it. It writes in any case, so that a client that
-- waits for replicas afterwards waits for the end, too.
local head = redis.call('GETRANGE', KEYS[1], 0, 8)
if string.sub(head, 1, 8) ~= ARGV[1] then return 'gone' end
redis.call('SETRANGE', KEYS[1], 8, ARGV[2])
return 'done'
