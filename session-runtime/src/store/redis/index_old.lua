#!lua flags=no-writes
-- Returns the entries of sessions that were added some time ago by the clock of this server.
-- KEYS[1]: the entries. ARGV: that time in milliseconds, then keys of sessions.
local time = redis.call('TIME')
local before = time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[1]
local old = {}
for at = 2, #ARGV do
  local from, to = '[' .. ARGV[at], '[' .. ARGV[at] .. string.rep('\255', 17)
  for _, entry in ipairs(redis.call('ZRANGEBYLEX', KEYS[1], from, to)) do
    local high, low = struct.unpack('>I4I4', entry, 17)
    if high * 2 ^ 32 + low < before then
      old[#old + 1] = entry
    end
  end
end
return old
