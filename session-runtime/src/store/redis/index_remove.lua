#!lua flags=allow-oom
-- Removes entries from an index: exactly these, or all of a session. Returns their number.
-- KEYS[1]: the entries. ARGV: entries, or keys of sessions.
local removed = 0
for at = 1, #ARGV do
  local from, to = '[' .. ARGV[at], '[' .. ARGV[at] .. string.rep('\255', 17)
  removed = removed + redis.call('ZREMRANGEBYLEX', KEYS[1], from, to)
end
return removed
