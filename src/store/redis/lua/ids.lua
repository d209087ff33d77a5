return redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', 1000)
