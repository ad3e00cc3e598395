#!lua
-- Stores a new session, or returns 0 if its key is taken.
-- KEYS[1]: the main hash. ARGV: the engine's expiry time; then for each hash its schema (empty for the main one), the
-- number of its pairs, and the pairs. The main hash comes first and holds the head.
local main = KEYS[1]
if redis.call('EXISTS', main) == 1 then
  return 0
end
local at = 2
while at <= #ARGV do
  local schema, first = ARGV[at], at + 2
  local last = first + 2 * tonumber(ARGV[at + 1]) - 1
  local hash = main
  if schema ~= '' then
    hash = main .. ':' .. schema
    redis.call('DEL', hash)
  end
  for from = first, last, 1000 do
    redis.call('HSET', hash, unpack(ARGV, from, math.min(from + 999, last)))
  end
  redis.call('PEXPIREAT', hash, ARGV[1])
  at = last + 1
end
return 1
