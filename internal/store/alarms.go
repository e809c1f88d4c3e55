package store

import (
	"context"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// alarmHold is how long an alarm that nobody ends is not told again.
const alarmHold = time.Hour

// KEYS 1 alarm, 2 house facts · ARGV 1 hold in ms, 2 facts kept, 3 fact. Writes the fact unless the alarm was told already; returns 1 or 0.
var alarmScript = newScript(`
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) then return 0 end
redis.call('RPUSH', KEYS[2], ARGV[3])
redis.call('LTRIM', KEYS[2], -ARGV[2], -1)
return 1`)

// Alarm writes a fact that belongs to no ledger, once for all workers that see the same until AlarmOver, or an hour; first says that it did.
func (s *Store) Alarm(ctx context.Context, name string, f ledger.Fact) (first bool, err error) {
	rows, err := encode([]ledger.Fact{f})
	if err != nil {
		return false, err
	}
	v, err := s.run(ctx, alarmScript, []string{alarmKey(name), houseKey}, alarmHold.Milliseconds(), houseFacts, rows[0])
	return asInt(v) == 1, err
}

// alarmAgain is how long at least lies between two alarms of one name: what passes and fails in turn is not told each second.
const alarmAgain = 5 * time.Minute

// KEYS 1 alarm · ARGV 1 ms. Shortens the life of an alarm, if it is longer.
var alarmOverScript = newScript(`
if redis.call('PTTL', KEYS[1]) > tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return 1`)

// AlarmOver lets the next alarm of this name be told, in five minutes at the earliest.
func (s *Store) AlarmOver(ctx context.Context, name string) error {
	_, err := s.run(ctx, alarmOverScript, []string{alarmKey(name)}, alarmAgain.Milliseconds())
	return err
}
