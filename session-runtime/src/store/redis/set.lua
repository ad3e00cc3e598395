#!lua
-- Sets keys of one hash if the session is unchanged since it was loaded, at half of the cost of `patch.lua`. Every
-- change of a value raises the revision in the step that writes it. So a record of the loaded revision holds the loaded
-- values, and the totals that the caller computed are right. The deadline and the secret may have changed: they do not
-- raise the revision. They are taken from the current head, whose expiry and login generation are checked. A deleted
-- session has no head, and no key is assigned twice. Only a failover that undoes writes can assign a revision twice.
-- KEYS[1]: the main hash. ARGV, with timestamps and numbers as in the head:
--   1 now, login generation, loaded revision; the replacement of revision and totals
--   then names and texts in turn; no name is set twice
-- Returns the new head. Returns nil if nothing was written: then `patch.lua` decides.
local sub, main, fixed = string.sub, KEYS[1], ARGV[1]

local head = redis.call('HGET', main, '\0')
if not head or #head < 164 or string.byte(head) ~= 1
  or sub(head, 124, 131) .. sub(head, 141, 148) ~= sub(fixed, 9, 24) then
  return nil
end
local deadline, small_deadline = struct.unpack('>I4I4', head, 18)
local now, small_now = struct.unpack('>I4I4', fixed)
if deadline < now or (deadline == now and small_deadline <= small_now) then
  return nil
end

-- With 512 keys or more, `patch.lua` looks for a schema to move out of the main hash.
if string.byte(fixed, 47) > 1 and redis.call('HLEN', main) > 512 then
  return nil
end

local after = sub(head, 1, 140) .. sub(fixed, 25)
if #head == 164 then
  redis.call('HSET', main, '\0', after, unpack(ARGV, 2))
  return after
end
local tail = sub(head, 165)
-- All keys must be in one hash: the main one, or that of a schema.
local apart, home = '\0' .. tail, nil
for at = 2, #ARGV, 2 do
  local schema = string.match(ARGV[at], '^[^.]*')
  local hash = string.find(apart, '\0' .. schema .. '\0', 1, true) and main .. ':' .. schema or main
  if home and home ~= hash then
    return nil
  end
  home = hash
end
after = after .. tail
if home == main then
  redis.call('HSET', main, '\0', after, unpack(ARGV, 2))
  return after
end
-- The hash may have been evicted, or be on another node while its slot is moved.
if redis.pcall('EXISTS', home) ~= 1 then
  return nil
end
redis.call('HSET', home, unpack(ARGV, 2))
redis.call('HSET', main, '\0', after)
return after
