#!lua flags=no-writes
-- Answers the main hash, then each hash that the session keeps apart and the caller wants.
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
    answer[#answer + 1] = redis.call('HGETALL', KEYS[1] .. ':' .. schema)
  end
end
return answer
