#!lua flags=no-writes
-- A step of SCAN on the server that has a slot. Returns the run of the server, its next cursor, and names.
-- KEYS[1]: a name in that slot; any other server of a cluster refuses it. ARGV: the run that the cursor belongs to, the
-- cursor, the pattern, about how many names to look at. A cursor of another run is meaningless: the step starts from
-- the beginning.
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''
local cursor = run == ARGV[1] and ARGV[2] or '0'
return { run, redis.call('SCAN', cursor, 'MATCH', ARGV[3], 'COUNT', ARGV[4]) }
