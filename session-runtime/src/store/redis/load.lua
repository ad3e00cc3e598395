#!lua flags=no-writes
-- Returns the main hash, then each other hash of the session that the caller requests.
-- KEYS[1]: the main hash. ARGV: 'all', or 'some' and schemas.
local main = redis.call('HGETALL', KEYS[1])
local answer, head = { main }, nil
for at = 1, #main, 2 do
  if main[at] == '\0' then
    head = main[at + 1]
    break
  end
end
if not head then
  return answer
end
local wanted = {}
for at = 2, #ARGV do
  wanted[ARGV[at]] = true
end
for schema in string.gmatch(string.sub(head, 165), '[^%z]+') do
  if ARGV[1] == 'all' or wanted[schema] then
    local hash = redis.pcall('HGETALL', KEYS[1] .. ':' .. schema)
    if hash.err then
      -- The slot is being moved to another node, which already has this hash.
      return redis.error_reply('TRYAGAIN part of the session is elsewhere')
    end
    answer[#answer + 1] = hash
  end
end
return answer
