#!lua
-- Sets keys of the main hash if nothing in the session has changed since it was loaded, at half of what `patch.lua` costs.
-- Every change of a value raises the revision in the step that writes it. So a record of the revision that was loaded holds
-- what was loaded, and its totals are those that the caller has reckoned. Deadline and secret may have changed: they do not
-- raise the revision, and are taken from the head that is there, where expiry and login generation are looked at. A session
-- that was deleted has no head, and no key is given twice. Only a failover that undoes writes may give a revision twice.
-- KEYS[1]: the main hash. ARGV, moments and numbers as in the head:
--   1 now, login generation, revision that was loaded; what takes the place of revision and totals
--   then names and texts in turn; no name is set twice
-- Answers the new head. Or nil, and nothing is written: `patch.lua` has to judge.
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
  -- Whole names are compared. What stands in a hash of its own is not for this script.
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
