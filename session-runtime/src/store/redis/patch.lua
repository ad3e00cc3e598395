#!lua
-- Applies a patch as a whole, or returns why it does not apply. Bytes are only moved and compared here. The only
-- numbers decoded are the two totals, and the halves of timestamps and of the revision. Nearly all patches change few
-- values of the main hash alone. For these, hardly any table or function is created, since they cost the server more
-- than the commands.
-- KEYS[1]: the main hash. ARGV, with timestamps and numbers as in the head:
--   1 now, login generation, counts of: schemas to put into own hashes, expected, set, removed; a byte that is 1 if the
--     deadline or the secret changes; the required revision, if the precondition is one
--   2 deadline   3 the engine's expiry time   4 secret: only if that byte is 1
--   then the schemas; the expected, set and removed names; the checks; the texts. No name is set or removed twice.
-- Returns the new head; or 0 gone, 1 renewed, 2 unreadable, 3 a hash of its own is missing; or, for a conflict, the
-- head and the texts of the expected names.
local GONE, RENEWED, UNREADABLE, MISSING = 0, 1, 2, 3
local call, sub, main, fixed = redis.call, string.sub, KEYS[1], ARGV[1]

local schemas, expected, sets, removes, more = struct.unpack('>I4I4I4I4B', fixed, 17)
local first_schema = more == 1 and 5 or 2
local first_name = first_schema + schemas
local names = expected + sets + removes
local first_check = first_name + names
local first_text = first_check + expected

-- The head, then the text of each name, false if there is none: as if all were in the main hash.
local found = call('HMGET', main, '\0', unpack(ARGV, first_name, first_name + math.min(names, 1000) - 1))
for from = 1000, names - 1, 1000 do
  local last = math.min(from + 999, names - 1)
  local more_found = call('HMGET', main, unpack(ARGV, first_name + from, first_name + last))
  for at = 1, #more_found do
    found[from + at + 1] = more_found[at]
  end
end

local head = found[1]
if not head then
  return call('EXISTS', main) == 0 and GONE or UNREADABLE
end
if #head < 164 or string.byte(head) ~= 1 then
  return UNREADABLE
end

local deadline, small_deadline = struct.unpack('>I4I4', head, 18)
local now, small_now = struct.unpack('>I4I4', fixed)
if deadline < now or (deadline == now and small_deadline <= small_now) then
  return GONE
end
if sub(head, 124, 131) ~= sub(fixed, 9, 16) then
  return RENEWED
end

-- Returns whether a hash exists. While its slot is being moved, the other node may already have it; then an error
-- response is returned too.
local function is_there(hash)
  local answer = redis.pcall('EXISTS', hash)
  if type(answer) == 'table' then
    return false, redis.error_reply('TRYAGAIN part of the session is elsewhere')
  end
  return answer == 1
end

-- The head determines the hash of a schema, whatever this program would choose. Nil if all are in the main hash.
local apart
if #head > 164 then
  apart = {}
  for schema in string.gmatch(sub(head, 165), '[^%z]+') do
    apart[schema] = main .. ':' .. schema
  end
end
-- Returns nil for a name in the main hash.
local function elsewhere(homes, name)
  return homes[string.match(name, '^[^.]*')]
end

-- Reads the texts of names outside the main hash. A missing hash fails the patch, unless the patch only removes names
-- there and one of them is the bare name of the schema, which drops the rest of the schema.
local lost
if apart then
  local places_in = {}
  for place = 0, names - 1 do
    local hash = elsewhere(apart, ARGV[first_name + place])
    if hash then
      places_in[hash] = places_in[hash] or {}
      table.insert(places_in[hash], place)
    end
  end
  for hash, places in pairs(places_in) do
    local there, try_again = is_there(hash)
    if not there then
      local drops = false
      for _, place in ipairs(places) do
        drops = place >= expected + sets and (drops or main .. ':' .. ARGV[first_name + place] == hash)
        if place < expected + sets then
          break
        end
      end
      if try_again or not drops then
        return try_again or MISSING
      end
      lost = lost or {}
      lost[hash] = true
    end
    for from = 1, there and #places or 0, 1000 do
      local asked = {}
      for at = from, math.min(from + 999, #places) do
        asked[#asked + 1] = ARGV[first_name + places[at]]
      end
      local texts = call('HMGET', hash, unpack(asked))
      for at = 1, #texts do
        found[places[from + at - 1] + 2] = texts[at]
      end
    end
  end
end

local as_loaded = #fixed == 33 or sub(head, 141, 148) == sub(fixed, 34)
for at = 1, as_loaded and expected or 0 do
  local text, check = found[at + 1], ARGV[first_check + at - 1]
  local kind, or_ours = string.byte(check, 1, 2)
  local same
  if kind == 45 then -- '-'
    same = not text
  elseif kind == 61 then -- '='
    same = text == sub(check, 3)
  else
    same = text and redis.sha1hex(text) == sub(check, 3)
  end
  if not same and or_ours == 111 then -- 'o'
    local name, ours = ARGV[first_name + at - 1], false
    for set = 0, sets - 1 do
      if ARGV[first_name + expected + set] == name then
        ours = ARGV[first_text + set]
      end
    end
    same = text == ours
  end
  if not same then
    as_loaded = false
    break
  end
end
if not as_loaded then
  local answer = { head }
  for at = 1, expected do
    answer[at + 1] = found[at + 1]
  end
  return answer
end

-- A schema whose hash is missing is removed from the head.
local tail, new_homes = sub(head, 165), nil
if lost then
  tail = ''
  for schema in string.gmatch(sub(head, 165), '[^%z]+') do
    if lost[apart[schema]] then
      apart[schema] = nil
    else
      tail = tail .. schema .. '\0'
    end
  end
end

-- Names in the main hash by schema, once they are needed.
local names_of
local function names_in_main(schema)
  if not names_of then
    names_of = {}
    for _, name in ipairs(call('HKEYS', main)) do
      local of = string.match(name, '^[^.%z]*')
      names_of[of] = names_of[of] or {}
      table.insert(names_of[of], name)
    end
  end
  return names_of[schema] or {}
end

-- Gives a schema a hash of its own. What the main hash holds of it is moved there.
local function put_apart(schema)
  apart, new_homes = apart or {}, new_homes or {}
  apart[schema] = main .. ':' .. schema
  new_homes[#new_homes + 1] = schema
  tail = tail .. schema .. '\0'
end
-- A schema without any stored key gets the hash that this program chooses.
for at = first_schema, first_name - 1 do
  local schema = ARGV[at]
  if not (apart and apart[schema]) and call('HEXISTS', main, schema) == 0 and #names_in_main(schema) == 0 then
    put_apart(schema)
  end
end
-- A main hash with many keys costs every load. So the schema that has the most of them is moved.
if sets > 0 and string.byte(head, 163) > 1 and call('HLEN', main) > 512 then
  names_in_main('')
  local largest, most = '', 32
  for schema, in_main in pairs(names_of) do
    if schema ~= '' and #in_main > most then
      largest, most = schema, #in_main
    end
  end
  if most > 32 then
    put_apart(largest)
  end
end

local revision, small_revision, bytes, keys = struct.unpack('>I4I4I8I8', head, 141)
if lost then
  -- The size of the lost hash is unknown, so the rest is counted.
  bytes, keys = 0, 0
  local hashes = { main }
  for _, hash in pairs(apart) do
    hashes[#hashes + 1] = hash
  end
  for _, hash in ipairs(hashes) do
    local all = call('HGETALL', hash)
    for at = 1, #all, 2 do
      if all[at] ~= '\0' then
        bytes, keys = bytes + #all[at] + #all[at + 1], keys + 1
      end
    end
  end
end
for set = 1, sets do
  local old, text = found[expected + set + 1], ARGV[first_text + set - 1]
  if old then
    bytes = bytes + #text - #old
  else
    bytes, keys = bytes + #text + #ARGV[first_name + expected + set - 1], keys + 1
  end
end
for at = expected + sets + 1, names do
  local old = found[at + 1]
  if old then
    bytes, keys = bytes - #old - #ARGV[first_name + at - 1], keys - 1
  end
end
-- A damaged total stays a number.
if bytes < 0 or bytes > 2 ^ 53 or keys < 0 or keys > 2 ^ 53 then
  bytes, keys = math.max(0, math.min(bytes, 2 ^ 53)), math.max(0, math.min(keys, 2 ^ 53))
end
-- Wraps around like an eight-byte number.
if sets + removes > 0 then
  small_revision = (small_revision + 1) % 2 ^ 32
  revision = small_revision == 0 and (revision + 1) % 2 ^ 32 or revision
end

local before, moved = sub(head, 1, 140), false
if more == 1 then
  local times, secret, generation = sub(head, 18, 42), sub(head, 43, 123), sub(head, 124, 140)

  local change = ARGV[2]
  if sub(change, 1, 1) == 'T' and sub(change, 2, 9) == sub(times, 1, 8) then
    times, moved = sub(change, 10) .. sub(times, 17), true
  elseif sub(change, 1, 1) == 'C' then
    times, moved = sub(change, 2), true
  end

  change = ARGV[4]
  local kind, seen = sub(change, 1, 1), sub(change, 2, 33)
  if kind == 'R' then
    secret = sub(change, 2) .. string.rep('\0', 41)
    local number, small = struct.unpack('>I4I4', generation)
    small = (small + 1) % 2 ^ 32
    number = small == 0 and (number + 1) % 2 ^ 32 or number
    generation = struct.pack('>I4I4', number, small) .. '\1' .. sub(change, 34)
  elseif kind == 'P' and seen == sub(secret, 1, 32) and sub(change, 34, 41) == sub(head, 18, 25) then
    secret = sub(change, 42) .. '\1' .. sub(secret, 1, 32) .. string.rep('\0', 8)
  elseif kind == 'S' and seen == sub(secret, 1, 32) and sub(secret, 41, 41) == '\1' then
    secret = sub(secret, 1, 40) .. '\2' .. sub(secret, 42, 73) .. sub(change, 34)
  end
  before = sub(head, 1, 17) .. times .. secret .. generation
end

local after = before .. struct.pack('>I4I4I8I8', revision, small_revision, bytes, keys) .. tail
if after == head and sets + removes == 0 then
  return head
end

-- Operations that can fail must fail before the first write.
if apart and (moved or new_homes) then
  for _, hash in pairs(apart) do
    local _, try_again = is_there(hash)
    if try_again then
      return try_again
    end
  end
end
if new_homes then
  local deadline_there = moved and ARGV[3] or call('PEXPIRETIME', main)
  for _, schema in ipairs(new_homes) do
    local hash, moving = apart[schema], names_in_main(schema)
    call('DEL', hash)
    call('HSET', hash, '\0', '1')
    call('PEXPIREAT', hash, deadline_there)
    for from = 1, #moving, 500 do
      local last = math.min(from + 499, #moving)
      local texts, moved_pairs = call('HMGET', main, unpack(moving, from, last)), {}
      for at = from, last do
        moved_pairs[#moved_pairs + 1] = moving[at]
        moved_pairs[#moved_pairs + 1] = texts[at - from + 1]
      end
      call('HSET', hash, unpack(moved_pairs))
      call('HDEL', main, unpack(moving, from, last))
    end
  end
end

-- Pairs for the main hash, and pairs for each other hash.
local pairs_here, pairs_in = { '\0', after }, apart and {}
for set = 1, sets do
  local name = ARGV[first_name + expected + set - 1]
  local list, hash = pairs_here, apart and elsewhere(apart, name)
  if hash then
    list = pairs_in[hash] or {}
    pairs_in[hash] = list
  end
  list[#list + 1] = name
  list[#list + 1] = ARGV[first_text + set - 1]
end
if #pairs_here <= 1000 then
  call('HSET', main, unpack(pairs_here))
else
  for from = 1, #pairs_here, 1000 do
    call('HSET', main, unpack(pairs_here, from, math.min(from + 999, #pairs_here)))
  end
end
if apart then
  for hash, list in pairs(pairs_in) do
    for from = 1, #list, 1000 do
      call('HSET', hash, unpack(list, from, math.min(from + 999, #list)))
    end
  end
end
if removes > 0 then
  local names_in = {}
  for at = first_name + expected + sets, first_check - 1 do
    local name = ARGV[at]
    local hash = apart and elsewhere(apart, name) or main
    names_in[hash] = names_in[hash] or {}
    table.insert(names_in[hash], name)
  end
  for hash, list in pairs(names_in) do
    for from = 1, #list, 1000 do
      call('HDEL', hash, unpack(list, from, math.min(from + 999, #list)))
    end
  end
end

if moved then
  call('PEXPIREAT', main, ARGV[3])
  for _, hash in pairs(apart or {}) do
    call('PEXPIREAT', hash, ARGV[3])
  end
end
return after
