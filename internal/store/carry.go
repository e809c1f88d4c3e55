package store

import (
	"context"
	"time"
)

// KEYS 1 beats, 2 workers · ARGV 1 ms that the heartbeats are moved to, 2 sensor gap ms, 3 worker alive ms. Moves the heartbeats of all
// sensors and workers that live, and of none that was silent already.
var carryScript = newScript(`
local t = now()
local beats = redis.call('HGETALL', KEYS[1])
for i = 1, #beats, 2 do
  if t - beats[i + 1] < tonumber(ARGV[2]) then redis.call('HSET', KEYS[1], beats[i], ARGV[1]) end
end
local alive = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. string.format('%.0f', t - ARGV[3]), '+inf')
for _, w in ipairs(alive) do redis.call('ZADD', KEYS[2], ARGV[1], w) end
return 1`)

// Carry moves the heartbeats of whatever lives to a moment. Where Redis' clock is about to be moved (the demo, tests with simulated
// time), it is called right before: nobody was blind in hours that never were.
func (s *Store) Carry(ctx context.Context, to time.Time) error {
	_, err := s.run(ctx, carryScript, []string{beatsKey, workersKey}, millis(to), SensorGap.Milliseconds(), WorkerAlive.Milliseconds())
	return err
}
