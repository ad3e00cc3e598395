#!lua
-- Sets keys of the main hash if the session is unchanged since it was loaded, at half of the cost of `patch.lua`. Every
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

local after = sub(head, 1, 140) .. sub(fixed, 25)
if #head > 164 then
  local tail = sub(head, 165)
  -- Compares whole names. This script does not write a schema in a hash of its own.
  local apart = '\0' .. tail
  for at = 2, #ARGV, 2 do
    if string.find(apart, '\0' .. string.match(ARGV[at], '^[^.]*') .. '\0', 1, true) then
      return nil
    end
  end
  after = after .. tail
end
redis.call('HSET', main, '\0', after, unpack(ARGV, 2))
return after
