local id, seen, old_ends_by, old_orgs = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local ends_by, due, life, first, joined = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local revisions = tonumber(ARGV[11])

local segments = read(id)
if not segments or segments[ENDED] ~= '' then return 'gone' end
local same = segments[SEEN] == seen and segments[ENDS_BY] == old_ends_by
if not same or segments[ORGS] ~= old_orgs then return 'stale' end
local before = names(old_orgs)
for i, org in ipairs(before) do
  local rules = redis.call('GET', org_key(org))
  if not rules then return 'missing' end
  if string.match(rules, '^%S+') ~= ARGV[11 + i] then return 'stale' end
end

-- An organisation that stays comes with its stamp.
local orgs, stays = {}, {}
for i = 12 + revisions, #ARGV, 2 do
  local org, kept = ARGV[i], ARGV[i + 1]
  if kept == '' then kept = stamp(org, first) .. ' ' .. joined end
  orgs[#orgs + 1] = membership(org, kept)
  stays[org] = true
end
for _, org in ipairs(before) do
  if not stays[org] then redis.call('ZREM', members_key(org), id) end
end
segments[ORGS], segments[ENDS_BY], segments[PURGE] = table.concat(orgs), ends_by, due
write(id, packed(segments), life)
index_all(id, segments, life)
return 'done'
