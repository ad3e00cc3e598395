#!lua
-- Applies a patch as a whole, or says why not. Only bytes are moved and compared here: no number is ever decoded but the
-- two totals, and of a moment its halves.
-- KEYS[1]: the main hash. ARGV, moments and numbers as in the head:
--   1 now   2 login generation   3 revision that it rests on, or nothing   4 deadline   5 the engine's deadline
--   6 secret   7 how many follow of each: schemas to keep apart, expected, set, removed
--   8… the schemas; names and checks; names and texts; names
-- Answers the new head; or 0 gone, 1 renewed, 2 unreadable, 3 a hash of its own is missing; or, for a conflict, the head
-- and the expected names' texts.
local GONE, RENEWED, UNREADABLE, MISSING = 0, 1, 2, 3
local call, sub, main = redis.call, string.sub, KEYS[1]

local head = call('HGET', main, '\0')
if not head then
  return call('EXISTS', main) == 0 and GONE or UNREADABLE
end
if #head < 164 or sub(head, 1, 1) ~= '\1' then
  return UNREADABLE
end

local deadline, small_deadline = struct.unpack('>I4I4', head, 18)
local now, small_now = struct.unpack('>I4I4', ARGV[1])
if deadline < now or (deadline == now and small_deadline <= small_now) then
  return GONE
end
if sub(head, 124, 131) ~= ARGV[2] then
  return RENEWED
end

local schemas, expected, sets, removes = struct.unpack('>I4I4I4I4', ARGV[7])
local first_expected = 8 + schemas
local first_set = first_expected + 2 * expected
local first_remove = first_set + 2 * sets
local last_remove = first_remove + removes - 1

-- Where a schema lives is what the head says, whatever this program would choose.
local apart, any_apart = {}, false
for schema in string.gmatch(sub(head, 165), '[^%z]+') do
  apart[schema], any_apart = main .. ':' .. schema, true
end
local function hash_of(name)
  return any_apart and apart[string.match(name, '^[^.]*')] or main
end

-- Whether a hash is there. While its slot is on its way to another node, that may have it already.
local missing, elsewhere = false, false
local function is_there(hash)
  local found = redis.pcall('EXISTS', hash)
  elsewhere = elsewhere or type(found) == 'table'
  return found == 1
end
local function try_again()
  return redis.error_reply('TRYAGAIN part of the session is elsewhere')
end

-- The text by name, false if there is none.
local texts = {}
local function look(first, last, step)
  local names_in = {}
  for at = first, last, step do
    local name = ARGV[at]
    if texts[name] == nil then
      texts[name] = false
      local hash = hash_of(name)
      local names = names_in[hash]
      if not names then
        names = {}
        names_in[hash] = names
        missing = missing or (hash ~= main and not is_there(hash))
      end
      names[#names + 1] = name
    end
  end
  for hash, names in pairs(missing and {} or names_in) do
    for from = 1, #names, 1000 do
      local found = call('HMGET', hash, unpack(names, from, math.min(from + 999, #names)))
      for at = 1, #found do
        texts[names[from + at - 1]] = found[at]
      end
    end
  end
end

local function ours(name)
  for at = first_set, first_remove - 1, 2 do
    if ARGV[at] == name then
      return ARGV[at + 1]
    end
  end
  return false
end

local function stands(name, check)
  local text, kind = texts[name], sub(check, 1, 1)
  local same
  if kind == '-' then
    same = not text
  elseif kind == '=' then
    same = text == sub(check, 3)
  else
    same = text and redis.sha1hex(text) == sub(check, 3)
  end
  return same or (sub(check, 2, 2) == 'o' and text == ours(name))
end

look(first_expected, first_set - 1, 2)
if missing then
  return elsewhere and try_again() or MISSING
end
local as_loaded = ARGV[3] == '' or sub(head, 141, 148) == ARGV[3]
for at = first_expected, first_set - 1, 2 do
  as_loaded = as_loaded and stands(ARGV[at], ARGV[at + 1])
end
if not as_loaded then
  local answer = { head }
  for at = first_expected, first_set - 1, 2 do
    answer[#answer + 1] = texts[ARGV[at]]
  end
  return answer
end

look(first_set, first_remove - 1, 2)
look(first_remove, last_remove, 1)
if missing then
  return elsewhere and try_again() or MISSING
end

-- A schema that has nothing yet gets its home where this program wants it.
local function is_in_main(schema)
  if call('HEXISTS', main, schema) == 1 then
    return true
  end
  local dotted = schema .. '.'
  for _, name in ipairs(call('HKEYS', main)) do
    if sub(name, 1, #dotted) == dotted then
      return true
    end
  end
  return false
end
local tail, new_homes = sub(head, 165), {}
for at = 8, 7 + schemas do
  local schema = ARGV[at]
  if not apart[schema] and not is_in_main(schema) then
    apart[schema], any_apart = main .. ':' .. schema, true
    new_homes[#new_homes + 1] = apart[schema]
    tail = tail .. schema .. '\0'
  end
end

local bytes, keys = struct.unpack('>I8I8', head, 149)
for at = first_set, first_remove - 1, 2 do
  local name, text = ARGV[at], ARGV[at + 1]
  local old = texts[name]
  if old then
    bytes = bytes - #old
  else
    bytes, keys = bytes + #name, keys + 1
  end
  bytes, texts[name] = bytes + #text, text
end
for at = first_remove, last_remove do
  local name = ARGV[at]
  local old = texts[name]
  if old then
    bytes, keys, texts[name] = bytes - #name - #old, keys - 1, false
  end
end
-- A damaged total stays a number.
local function total(number)
  return struct.pack('>I8', math.max(0, math.min(number, 2 ^ 53)))
end

-- Wraps around, as a number of eight bytes does.
local function raised(number)
  for at = 8, 1, -1 do
    local byte = string.byte(number, at)
    if byte < 255 then
      return sub(number, 1, at - 1) .. string.char(byte + 1) .. string.rep('\0', 8 - at)
    end
  end
  return string.rep('\0', 8)
end

local times, secret, generation, revision = sub(head, 18, 42), sub(head, 43, 123), sub(head, 124, 140), sub(head, 141, 148)
if sets + removes > 0 then
  revision = raised(revision)
end

local change, moved = ARGV[4], false
if sub(change, 1, 1) == 'T' and sub(change, 2, 9) == sub(times, 1, 8) then
  times, moved = sub(change, 10) .. sub(times, 17), true
elseif sub(change, 1, 1) == 'C' then
  times, moved = sub(change, 2), true
end

change = ARGV[6]
local kind, seen = sub(change, 1, 1), sub(change, 2, 33)
if kind == 'R' then
  secret = sub(change, 2) .. string.rep('\0', 41)
  generation = raised(sub(generation, 1, 8)) .. '\1' .. sub(change, 34)
elseif kind == 'P' and seen == sub(secret, 1, 32) and sub(change, 34, 41) == sub(head, 18, 25) then
  secret = sub(change, 42) .. '\1' .. sub(secret, 1, 32) .. string.rep('\0', 8)
elseif kind == 'S' and seen == sub(secret, 1, 32) and sub(secret, 41, 41) == '\1' then
  secret = sub(secret, 1, 40) .. '\2' .. sub(secret, 42, 73) .. sub(change, 34)
end

local after = sub(head, 1, 17) .. times .. secret .. generation .. revision .. total(bytes) .. total(keys) .. tail
if after == head and sets + removes == 0 then
  return head
end

-- What can fail has to fail before the first write.
for _, hash in pairs((moved or #new_homes > 0) and apart or {}) do
  is_there(hash)
end
if elsewhere then
  return try_again()
end

local deadline_there = ARGV[5]
if #new_homes > 0 and not moved then
  deadline_there = call('PEXPIRETIME', main)
end
for _, hash in ipairs(new_homes) do
  call('DEL', hash)
  call('HSET', hash, '\0', '1')
  call('PEXPIREAT', hash, deadline_there)
end
local pairs_in, names_in = { [main] = { '\0', after } }, {}
local function add(to, name, text)
  local hash = hash_of(name)
  local list = to[hash]
  if not list then
    list = {}
    to[hash] = list
  end
  list[#list + 1] = name
  list[#list + 1] = text
end
for at = first_set, first_remove - 1, 2 do
  add(pairs_in, ARGV[at], ARGV[at + 1])
end
for at = first_remove, last_remove do
  add(names_in, ARGV[at])
end
local function send(command, lists)
  for hash, list in pairs(lists) do
    for from = 1, #list, 1000 do
      call(command, hash, unpack(list, from, math.min(from + 999, #list)))
    end
  end
end
send('HSET', pairs_in)
send('HDEL', names_in)
if moved then
  call('PEXPIREAT', main, ARGV[5])
  for _, hash in pairs(apart) do
    call('PEXPIREAT', hash, ARGV[5])
  end
end
return after
