#!lua flags=allow-oom
-- Removes a session with all its hashes. Returns their number.
-- KEYS[1]: the main hash. ARGV: the instant by which the session must have expired, or an empty text to remove it in
-- any case; then schemas that may be in hashes of their own, in addition to those that the head lists.
local main = KEYS[1]
local head = redis.pcall('HGET', main, '\0')
local readable = type(head) == 'string' and #head >= 164
if ARGV[1] ~= '' then
  if not readable then
    return 0
  end
  local deadline, small_deadline = struct.unpack('>I4I4', head, 18)
  local before, small_before = struct.unpack('>I4I4', ARGV[1])
  if deadline > before or (deadline == before and small_deadline > small_before) then
    return 0
  end
end
local doomed = { main }
if readable then
  for schema in string.gmatch(string.sub(head, 165), '[^%z]+') do
    doomed[#doomed + 1] = main .. ':' .. schema
  end
end
for at = 2, #ARGV do
  doomed[#doomed + 1] = main .. ':' .. ARGV[at]
end
local removed = redis.pcall('UNLINK', unpack(doomed))
if type(removed) == 'table' then
  -- The slot is being moved to another node, which already has a part.
  return redis.error_reply('TRYAGAIN part of the session is elsewhere')
end
return removed
