local id, secret, seen, last_seen = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local client, due, life = ARGV[6], ARGV[7], ARGV[8]

local segments = read(id)
if not segments or segments[ENDED] ~= '' or segments[SECRET] ~= secret then return 'gone' end
local known = tonumber(segments[SEEN])
if tonumber(last_seen) < known or tonumber(seen) <= known then return 'kept' end
segments[SEEN], segments[CLIENT], segments[PURGE] = seen, client, due
write(id, packed(segments), life)
index_all(id, segments, life)
return 'done'
