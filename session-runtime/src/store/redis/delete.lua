#!lua flags=allow-oom
-- Removes a session with all its hashes. Returns their number; with indexed names, a list of it and their texts.
-- KEYS[1]: the main hash. ARGV: the instant by which the session must have expired, 8 bytes; or `g` and the login
-- generation that it must have, 9 bytes; or an empty text to remove it in any case. Then schemas that may be in hashes
-- of their own, in addition to those that the head lists; and indexed names, each after a NUL.
local main = KEYS[1]
local head = redis.pcall('HGET', main, '\0')
local readable = type(head) == 'string' and #head >= 164
if #ARGV[1] == 9 then
  if not readable or string.sub(head, 124, 131) ~= string.sub(ARGV[1], 2) then
    return 0
  end
elseif ARGV[1] ~= '' then
  if not readable then
    return 0
  end
  local deadline, small_deadline = struct.unpack('>I4I4', head, 18)
  local before, small_before = struct.unpack('>I4I4', ARGV[1])
  if deadline > before or (deadline == before and small_deadline > small_before) then
    return 0
  end
end
local doomed, apart, texts = { main }, {}, {}
if readable then
  for schema in string.gmatch(string.sub(head, 165), '[^%z]+') do
    doomed[#doomed + 1] = main .. ':' .. schema
    apart[schema] = true
  end
end
for at = 2, #ARGV do
  local name = string.match(ARGV[at], '^%z(.*)')
  if name then
    local schema = string.match(name, '^[^.]*')
    local text = redis.pcall('HGET', apart[schema] and main .. ':' .. schema or main, name)
    texts[#texts + 1] = type(text) == 'string' and text
  else
    doomed[#doomed + 1] = main .. ':' .. ARGV[at]
  end
end
local removed = redis.pcall('UNLINK', unpack(doomed))
if type(removed) == 'table' then
  -- The slot is being moved to another node, which already has a part.
  return redis.error_reply('TRYAGAIN part of the session is elsewhere')
end
if #texts > 0 then
  return { removed, unpack(texts) }
end
return removed
