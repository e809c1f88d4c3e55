// Package store is where resetd's record is kept: Redis keys, the scripts that change them atomically, and the checks that the server
// can keep what it promises. The record here is the truth; the queue only wakes those who read it.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resetd/resetd/internal/ledger"
)

// Store is the record. It is safe for concurrent use.
type Store struct {
	rdb       redis.UniversalClient
	retention time.Duration
	wait      waiting
	offset    atomic.Int64 // nanoseconds that Redis' clock is ahead of ours
	full      atomic.Bool  // memory is near its limit: nothing new is accepted
}

type waiting int

const (
	waitNothing waiting = iota
	waitAOF
	waitReplica
)

// Options say how the record is kept.
type Options struct {
	Retention  time.Duration // how long a ledger lives after its last fact
	Durability string        // memory, fsync, replica
}

// New makes a store on an open client. It neither checks nor writes: Check does.
func New(rdb redis.UniversalClient, o Options) *Store {
	s := &Store{rdb: rdb, retention: o.Retention}
	if o.Durability == "replica" {
		s.wait = waitReplica
	}
	return s
}

// Retention is how long a ledger lives after its last fact.
func (s *Store) Retention() time.Duration { return s.retention }

// Now is Redis' time as far as we know it: the one clock of all processes. SyncClock brings it up to date.
func (s *Store) Now() time.Time {
	return time.Now().Add(time.Duration(s.offset.Load())).UTC().Truncate(time.Millisecond)
}

// Ahead is how far Redis' clock was ahead of ours when it was measured last.
func (s *Store) Ahead() time.Duration { return time.Duration(s.offset.Load()) }

// SyncClock measures how far Redis' clock is from ours and returns that; the error of the measure is half a round trip.
func (s *Store) SyncClock(ctx context.Context) (ahead time.Duration, err error) {
	before := time.Now()
	t, err := s.rdb.Time(ctx).Result()
	if err != nil {
		return 0, unavailable(err)
	}
	ahead = t.Sub(before.Add(time.Since(before) / 2))
	s.offset.Store(int64(ahead))
	return ahead, nil
}

// Facts reads a whole ledger, in order of writing. A ledger that nobody wrote is empty.
func (s *Store) Facts(ctx context.Context, l LedgerID) ([]ledger.Fact, error) {
	rows, err := s.rdb.LRange(ctx, ledgerKey(l), 0, -1).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	return decode(rows)
}

// decodeTogether is how many rows are read by one goroutine: what a look at a long ledger costs is not least their JSON.
const decodeTogether = 256

func decode(rows []string) ([]ledger.Fact, error) {
	facts := make([]ledger.Fact, len(rows))
	some := func(from, to int) error {
		for i := from; i < to; i++ {
			var err error
			if facts[i], err = ledger.Read(rows[i]); err != nil {
				return errors.New("ledger: a row is no fact; was it written by a newer version?")
			}
		}
		return nil
	}
	if len(rows) <= decodeTogether {
		return facts, some(0, len(rows))
	}
	hands := min(runtime.GOMAXPROCS(0), (len(rows)+decodeTogether-1)/decodeTogether)
	errs := make([]error, hands)
	var all sync.WaitGroup
	for h := range hands {
		all.Go(func() { errs[h] = some(len(rows)*h/hands, len(rows)*(h+1)/hands) })
	}
	all.Wait()
	return facts, errors.Join(errs...)
}

func encode(facts []ledger.Fact) ([]any, error) {
	rows := make([]any, len(facts))
	for i, f := range facts {
		f.At = f.At.UTC().Truncate(time.Millisecond)
		b, err := json.Marshal(f)
		if err != nil {
			return nil, err
		}
		rows[i] = b
	}
	return rows, nil
}

// KEYS 1 ledger · ARGV 1 retention ms, 2… facts. Appends the facts.
var appendScript = newScript(`
push(KEYS[1], 2, #ARGV, ARGV[1])
return 1`)

// Append writes facts that change no work: what was reported, opened, returned late.
func (s *Store) Append(ctx context.Context, l LedgerID, facts ...ledger.Fact) error {
	rows, err := encode(facts)
	if err != nil {
		return err
	}
	_, err = s.commit(ctx, appendScript, []string{ledgerKey(l)}, append([]any{s.retention.Milliseconds()}, rows...)...)
	return err
}

// Place is where a reset lives.
type Place struct {
	Ledger LedgerID
	Realm  string
}

// ErrNotFound means that there is no such record, or retention took it.
var ErrNotFound = errors.New("no such record")

// Find says where a reset lives; ErrNotFound when nowhere.
func (s *Store) Find(ctx context.Context, id ledger.ResetID) (Place, error) {
	p, err := ledger.Partition(string(id))
	if err != nil {
		return Place{}, ErrNotFound
	}
	v, err := s.rdb.HMGet(ctx, resetKey(p, id), "l", "rm").Result()
	if err != nil {
		return Place{}, unavailable(err)
	}
	if asString(v[0]) == "" {
		return Place{}, ErrNotFound
	}
	return Place{Ledger: LedgerID(asString(v[0])), Realm: asString(v[1])}, nil
}
