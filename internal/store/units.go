package store

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// A unit is a batch of events (a provider's, or a mail log's) that belongs to no message yet: it names many, or none. It is work like a
// returned mail, but without ledger and message.

// unitKept is how long a unit that was read stays known, so that the same one is not read again. What it says is known for as long as
// its message is, see Record.
const unitKept = 24 * time.Hour

// UnitID names a unit by who sent it and by what makes it this one: the same source and name give the same unit.
func UnitID(source, name string) ledger.ReturnID {
	sum := sha256.Sum256([]byte(hashed("unit", source, name)))
	var seed ledger.Seed
	copy(seed[:], sum[:])
	return ledger.NewReturnID(int(sum[31])%ledger.Partitions, seed)
}

// KEYS 1 the unit's work, 2 sealed copy, 3 due, 4 ring · ARGV 1 retention ms, 2 id, 3 sealed copy, 4 ring patience ms.
// Keeps a unit and the work of reading it, in one step. Returns Redis' time, 0 when it was kept before.
var unitScript = newScript(`
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local t = now()
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[1])
redis.call('HSET', KEYS[1], 's', 'open')
redis.call('ZADD', KEYS[3], t, ARGV[2])
redis.call('HSET', KEYS[4], ARGV[2], '1:' .. string.format('%.0f', t + ARGV[4]))
return t`)

// KeepUnit stores a unit, already sealed, as work for a worker. false: it is known already, and nothing changes.
func (s *Store) KeepUnit(ctx context.Context, id ledger.ReturnID, sealed []byte) (Ring, bool, error) {
	p, err := ledger.Partition(string(id))
	if err != nil {
		return Ring{}, false, err
	}
	if s.full.Load() {
		return Ring{}, false, &Unavailable{Err: ErrFull}
	}
	v, err := s.commit(ctx, unitScript, []string{workKey(p, string(id)), sealedKey(p, id), dueKey(p, Digest), ringKey(p)},
		s.retention.Milliseconds(), string(id), sealed, RingPatience.Milliseconds())
	if err != nil {
		return Ring{}, false, err
	}
	t := asInt(v)
	return Ring{ID: string(id), Number: 1, At: fromMillis(t)}, t != 0, nil
}

// How many events of one message are written. Visits are counted apart: whoever has the mail can make any number of them, and they must
// not crowd out a bounce.
const (
	EventsKept        = 100
	VisitedEventsKept = 50
)

// Recorded is what became of a fact that a source told.
type Recorded int

const (
	Wrote     Recorded = iota // it is new, and written
	KnewIt                    // it was written before
	HadEnough                 // the message has had EventsKept, or VisitedEventsKept, of them
)

// KEYS 1 ledger, 2 the message's work · ARGV 1 retention ms, 2 name, 3 counter, 4 most, 5… facts.
// Writes facts once for each name. Returns 1 written, 0 known, -1 too many, -2 when the message is beyond retention.
var recordScript = newScript(`
if redis.call('EXISTS', KEYS[2]) == 0 then return -2 end
if redis.call('HEXISTS', KEYS[2], 'x:' .. ARGV[2]) == 1 then return 0 end
if redis.call('HINCRBY', KEYS[2], ARGV[3], 1) > tonumber(ARGV[4]) then return -1 end
redis.call('HSET', KEYS[2], 'x:' .. ARGV[2], '1')
push(KEYS[1], 5, #ARGV, ARGV[1])
return 1`)

// Record writes what a source says about a message, exactly once for each name that the source gives to what it says. ErrNotFound: the
// message is beyond retention.
func (s *Store) Record(ctx context.Context, w Work, source, name string, facts ...ledger.Fact) (Recorded, error) {
	rows, err := encode(facts)
	if err != nil {
		return 0, err
	}
	counter, most := "nx", EventsKept
	if len(facts) > 0 && facts[0].Visit != nil {
		counter, most = "nv", VisitedEventsKept
	}
	v, err := s.commit(ctx, recordScript, []string{ledgerKey(w.Ledger), workKey(w.Ledger.Partition(), string(w.Message))},
		append([]any{s.retention.Milliseconds(), eventName(source, name), counter, most}, rows...)...)
	if err != nil {
		return 0, err
	}
	switch asInt(v) {
	case 1:
		return Wrote, nil
	case 0:
		return KnewIt, nil
	case -1:
		return HadEnough, nil
	}
	return 0, ErrNotFound
}

// Knows says whether Record has written what a source says under a name.
func (s *Store) Knows(ctx context.Context, w Work, source, name string) (bool, error) {
	known, err := s.rdb.HExists(ctx, workKey(w.Ledger.Partition(), string(w.Message)), "x:"+eventName(source, name)).Result()
	if err != nil {
		return false, unavailable(err)
	}
	return known, nil
}

// eventName is short, since a message keeps all of them: 64 bits are enough among a hundred.
func eventName(source, name string) string { return hashed("event", source, name)[:16] }
