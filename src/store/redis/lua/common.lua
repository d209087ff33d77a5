-- A session is one string: eleven segments, each after its length.
local ORGS, SECRET, SEEN, PURGE, ENDED, ENDS_BY, AUTHENTICATED, CLIENT, USER, CREATED = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
local SEGMENTS = 11
local FORMAT = '>' .. string.rep('I4c0', SEGMENTS)

local prefix = ARGV[1]

local function session_key(id) return prefix .. 'session:' .. id end
local function user_key(user) return prefix .. 'user:' .. user end
local function members_key(org) return prefix .. 'members:' .. org end
local function org_key(org) return prefix .. 'org:' .. org end
local purge_key = prefix .. 'purge'

-- The segments of a session; nil if there is none.
local function read(id)
  local value = redis.call('GET', session_key(id))
  return value and {struct.unpack(FORMAT, value)} or nil
end

local function packed(segments)
  local parts = {}
  for i = 1, SEGMENTS do parts[i] = struct.pack('>I4c0', #segments[i], segments[i]) end
  return table.concat(parts)
end

-- The names in the segment of the organisations.
local function names(orgs)
  local found, at = {}, 1
  while at <= #orgs do
    local name, stamp
    name, stamp, at = struct.unpack('>I4c0I4c0', orgs, at)
    found[#found + 1] = name
  end
  return found
end

local function membership(name, stamp)
  return struct.pack('>I4c0I4c0', #name, name, #stamp, stamp)
end

-- Writes a session that then lives so many milliseconds, or for ever if that is empty.
local function write(id, value, life)
  if life == '' then
    redis.call('SET', session_key(id), value)
  else
    redis.call('SET', session_key(id), value, 'PX', life)
  end
end

-- Puts a session on an index, which lives at least as long as the session.
local function index(key, id, created, life)
  local new = redis.call('EXISTS', key) == 0
  redis.call('ZADD', key, created, id)
  if life == '' then
    redis.call('PERSIST', key)
  else
    local left = redis.call('PTTL', key)
    if new or (0 <= left and left < tonumber(life)) then redis.call('PEXPIRE', key, life) end
  end
end

-- Puts a living session on all of its indexes.
local function index_all(id, segments, life)
  index(user_key(segments[USER]), id, segments[CREATED], life)
  for _, org in ipairs(names(segments[ORGS])) do
    index(members_key(org), id, segments[CREATED], life)
  end
  redis.call('ZADD', purge_key, segments[PURGE], id)
end

local function take_off(id, segments)
  redis.call('ZREM', user_key(segments[USER]), id)
  for _, org in ipairs(names(segments[ORGS])) do
    redis.call('ZREM', members_key(org), id)
  end
end

-- Ends a living session: what to write, when it is then due, and how long it then lives.
local function finish(id, segments, ended, due, life)
  segments[ENDED] = ended
  if tonumber(due) < tonumber(segments[PURGE]) then
    segments[PURGE] = due
    write(id, packed(segments), life)
    redis.call('ZADD', purge_key, due, id)
  else
    redis.call('SET', session_key(id), packed(segments), 'KEEPTTL')
  end
  take_off(id, segments)
end

-- What a membership is stamped with. An organisation without rules gets these first ones.
local function stamp(org, first)
  local rules = redis.call('GET', org_key(org))
  if not rules then
    rules = first
    redis.call('SET', org_key(org), rules)
  end
  local generation = string.match(rules, '^%S+ (%S+)')
  local version = string.match(rules, ' (%d+):%S*$') or '0'
  return generation .. ' ' .. version
end

-- Whether the caller's clock is off by more than a minute.
local function is_off(now)
  local time = redis.call('TIME')
  return 60000 < math.abs(time[1] * 1000 + time[2] / 1000 - tonumber(now))
end
