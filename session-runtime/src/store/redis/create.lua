#!lua
-- Stores a new session, or returns 0 if its key is taken, or 2 if it comes too late.
-- KEYS[1]: the main hash. ARGV: the engine's expiry time, and for a session with an entry in an index, after a colon, the
-- instant by this server's clock after which it must not be stored, in milliseconds; then for each hash its schema (empty
-- for the main one), the number of its pairs, and the pairs. The main hash comes first and holds the head.
local main = KEYS[1]
if redis.call('EXISTS', main) == 1 then
  return 0
end
local expiry, latest = ARGV[1], nil
local colon = string.find(expiry, ':', 1, true)
if colon then
  expiry, latest = string.sub(expiry, 1, colon - 1), tonumber(string.sub(expiry, colon + 1))
  local time = redis.call('TIME')
  if time[1] * 1000 + math.floor(time[2] / 1000) > latest then
    return 2
  end
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
  redis.call('PEXPIREAT', hash, expiry)
  at = last + 1
end
return 1
