local ended, due, life = ARGV[2], ARGV[3], ARGV[4]
local by_user, user, by_org, org, except, seen = ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local index_key, most = ARGV[11], tonumber(ARGV[12])

local ids = {}
if index_key ~= '' then
  -- Too many for one script: the caller asks for them and comes back with some at a time.
  if most < redis.call('ZCARD', index_key) then return -1 end
  ids = redis.call('ZRANGE', index_key, 0, -1)
end
for i = 13, #ARGV do ids[#ids + 1] = ARGV[i] end

local function belongs(orgs)
  for _, name in ipairs(names(orgs)) do
    if name == org then return true end
  end
  return false
end

local count = 0
for _, id in ipairs(ids) do
  local segments = read(id)
  if not segments then
    if index_key ~= '' then redis.call('ZREM', index_key, id) end
  elseif segments[ENDED] == '' and id ~= except
    and (by_user == '0' or segments[USER] == user)
    and (by_org == '0' or belongs(segments[ORGS]))
    and (seen == '' or tonumber(segments[SEEN]) <= tonumber(seen)) then
    finish(id, segments, ended, due, life)
    count = count + 1
  end
end
return count
