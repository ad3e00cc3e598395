#!lua flags=no-writes
-- A step of SCAN on the server that has a slot. Answers which run of the server this is, its next cursor, and names.
-- KEYS[1]: a name in that slot; another server of a cluster refuses it. ARGV: the run that the cursor belongs to, the
-- cursor, the pattern, about how many names to look at. A cursor of another run means nothing: the step is its first.
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''
local cursor = run == ARGV[1] and ARGV[2] or '0'
return { run, redis.call('SCAN', cursor, 'MATCH', ARGV[3], 'COUNT', ARGV[4]) }
