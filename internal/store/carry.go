package store

import (
	"context"
	"time"
)

// KEYS 1 beats, 2 workers · ARGV 1 ms that the heartbeats are moved to, 2 sensor gap ms, 3 worker alive ms, 4… sensors that have stopped. Moves
// the heartbeats of all sensors and workers that live, and of none that was silent already.
var carryScript = newScript(`
local t, stopped = now(), {}
for i = 4, #ARGV do stopped[ARGV[i]] = true end
local beats = redis.call('HGETALL', KEYS[1])
for i = 1, #beats, 2 do
  if not stopped[beats[i]] and t - beats[i + 1] < tonumber(ARGV[2]) then redis.call('HSET', KEYS[1], beats[i], ARGV[1]) end
end
if stopped['worker'] then return 1 end
local alive = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. string.format('%.0f', t - ARGV[3]), '+inf')
for _, w in ipairs(alive) do redis.call('ZADD', KEYS[2], ARGV[1], w) end
return 1`)

// Carry moves the heartbeats of whatever lives to a moment. Where Redis' clock is about to be moved (the demo, tests with simulated
// time), it is called right before: nobody was blind in hours that never were. stopped names sensors that have stopped only just now.
func (s *Store) Carry(ctx context.Context, to time.Time, stopped ...string) error {
	args := []any{millis(to), SensorGap.Milliseconds(), WorkerAlive.Milliseconds()}
	for _, sensor := range stopped {
		args = append(args, sensor)
	}
	_, err := s.run(ctx, carryScript, []string{beatsKey, workersKey}, args...)
	return err
}
