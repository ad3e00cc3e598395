#!lua
-- Adds the entry of a session to the index of a value, in place of an earlier one. Returns the time of the server.
-- KEYS[1]: the entries, a sorted set with equal scores, so that they are in bytewise order. ARGV: the session's key, and
-- the instant at which the engine removes the session at the latest.
-- Entry: key of the session, 16 bytes; when it was added by this server's clock, and that instant, each as a number of 8
-- bytes, big-endian. Times are milliseconds since 1970.
local function bytes(number)
  return struct.pack('>I4I4', math.floor(number / 2 ^ 32), number % 2 ^ 32)
end
local function latest_end(entry)
  local high, low = struct.unpack('>I4I4', entry, 25)
  return high * 2 ^ 32 + low
end
local index, session, ends = KEYS[1], ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Each login removes a few entries of sessions that have ended, so that those of a value never looked up stay few.
if redis.call('EXISTS', index) == 1 then
  for _, entry in ipairs(redis.call('ZRANDMEMBER', index, 8)) do
    if latest_end(entry) < now then
      redis.call('ZREM', index, entry)
    end
  end
end
local own = redis.call('ZRANGEBYLEX', index, '[' .. session, '[' .. session .. string.rep('\255', 17))
for _, entry in ipairs(own) do
  ends = math.max(ends, latest_end(entry))
  redis.call('ZREM', index, entry)
end
redis.call('ZADD', index, 0, session .. bytes(now) .. bytes(ends))
if redis.call('PEXPIRETIME', index) < ends then
  redis.call('PEXPIREAT', index, string.format('%.0f', ends))
end
return now
