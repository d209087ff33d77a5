-- Lists an id by when it is due, also where the memory is full: what has ended or is purged is listed.
return redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
