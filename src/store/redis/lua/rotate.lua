local id, old, new, authenticated = ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local segments = read(id)
if not segments or segments[ENDED] ~= '' then return 'gone' end
if segments[SECRET] ~= old then return 'stale' end
segments[SECRET] = new
if authenticated ~= '' then segments[AUTHENTICATED] = authenticated end
redis.call('SET', session_key(id), packed(segments), 'KEEPTTL')
return 'done'
