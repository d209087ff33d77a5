local index_key, max, after, most = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])

-- Byte by byte: a comparison of strings would go by the server's locale.
local function comes_before(one, other)
  for i = 1, 16 do
    local a, b = string.byte(one, i), string.byte(other, i)
    if a ~= b then return a < b end
  end
  return false
end

local time = redis.call('TIME')
local answer = {time[1], time[2], '', ''}
local dead, offset, found = {}, 0, 0
while found < most do
  local page = redis.call('ZREVRANGEBYSCORE', index_key, max, '-inf', 'WITHSCORES', 'LIMIT', offset, most)
  if #page == 0 then break end
  for i = 1, #page, 2 do
    local id, created = page[i], page[i + 1]
    local is_next = after == '' or tonumber(created) < tonumber(max) or comes_before(id, after)
    if is_next and found < most then
      found = found + 1
      local value = redis.call('GET', session_key(id))
      answer[3], answer[4] = created, id
      if not value then
        dead[#dead + 1] = id
      else
        local entry, orgs = {id, value}, struct.unpack('>I4c0', value)
        for _, org in ipairs(names(orgs)) do
          entry[#entry + 1] = redis.call('GET', org_key(org))
        end
        answer[#answer + 1] = entry
      end
    end
  end
  offset = offset + most
end
if found < most then answer[3], answer[4] = '', '' end
for _, id in ipairs(dead) do redis.call('ZREM', index_key, id) end
return answer
