#!lua flags=no-writes
-- Returns entries of an index in order.
-- KEYS[1]: the entries. ARGV: the bound after which they begin, as ZRANGEBYLEX takes it, and their greatest number.
return redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], '+', 'LIMIT', 0, ARGV[2])
