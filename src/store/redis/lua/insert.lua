local id, checked, created, cap, life = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local user, living, tail, first = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local revoked, due, revoked_life = ARGV[11], ARGV[12], ARGV[13]
local joins = tonumber(ARGV[14])

if checked == '1' and is_off(created) then return 'clock' end

local replaced = {}
for i = 15 + 2 * joins, #ARGV do replaced[ARGV[i]] = true end

if cap ~= '' then
  local others = 0
  for _, other in ipairs(redis.call('ZRANGE', user_key(user), 0, -1)) do
    if redis.call('EXISTS', session_key(other)) == 0 then
      redis.call('ZREM', user_key(user), other)
    elseif not replaced[other] then
      others = others + 1
    end
  end
  if tonumber(cap) <= others then return 'full' end
end

if redis.call('EXISTS', session_key(id)) == 1 then return 'exists' end

for old in pairs(replaced) do
  local segments = read(old)
  if segments and segments[ENDED] == '' then finish(old, segments, revoked, due, revoked_life) end
end

local orgs = {}
for i = 15, 14 + 2 * joins, 2 do
  local org, joined = ARGV[i], ARGV[i + 1]
  orgs[#orgs + 1] = membership(org, stamp(org, first) .. ' ' .. joined)
end
orgs = table.concat(orgs)
local value = struct.pack('>I4c0', #orgs, orgs) .. tail
write(id, value, life)
local segments = {struct.unpack(FORMAT, value)}
if living == '1' then
  index_all(id, segments, life)
else
  redis.call('ZADD', purge_key, segments[PURGE], id)
end
return 'done'
