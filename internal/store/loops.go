package store

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resetd/resetd/internal/ledger"
)

// A loop check is a reset in the realm of canaries; what is kept here is only which ones are under way, when one was last begun on each
// lane, and how the newest of each lane came out.

// sentKept is how long the copy of a canary as it was sent is kept, sealed: until it can no longer come back.
const sentKept = 24 * time.Hour

// BeginLoop writes down that a loop check of a lane begins, before it is asked for.
func (s *Store) BeginLoop(ctx context.Context, lane string, run ledger.ResetID) error {
	now := s.Now()
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.HSet(ctx, loopsBegunKey, lane, millis(now))
		p.ZAdd(ctx, loopsKey, redis.Z{Score: float64(millis(now)), Member: string(run)})
		return nil
	})
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// LoopsBegun says when a loop check of each lane was last begun.
func (s *Store) LoopsBegun(ctx context.Context) (map[string]time.Time, error) {
	return s.times(ctx, loopsBegunKey)
}

// RunningLoops are the loop checks that nobody has concluded yet, and when each began.
func (s *Store) RunningLoops(ctx context.Context) (map[ledger.ResetID]time.Time, error) {
	z, err := s.rdb.ZRangeWithScores(ctx, loopsKey, 0, -1).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	out := make(map[ledger.ResetID]time.Time, len(z))
	for _, m := range z {
		id, _ := m.Member.(string)
		out[ledger.ResetID(id)] = fromMillis(int64(m.Score))
	}
	return out, nil
}

// ReopenLoop puts a loop check back among those to be concluded: something came of it after all. One that is there is left.
func (s *Store) ReopenLoop(ctx context.Context, run ledger.ResetID, began time.Time) error {
	if err := s.rdb.ZAddNX(ctx, loopsKey, redis.Z{Score: float64(millis(began)), Member: string(run)}).Err(); err != nil {
		return unavailable(err)
	}
	return nil
}

// EndLoop takes a loop check off the list; result is kept for its lane, "" = nothing is.
func (s *Store) EndLoop(ctx context.Context, lane string, run ledger.ResetID, result []byte) error {
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		if len(result) > 0 {
			p.HSet(ctx, loopResultsKey, lane, result)
		}
		p.ZRem(ctx, loopsKey, string(run))
		return nil
	})
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// ForgetLane forgets a lane that is configured no more.
func (s *Store) ForgetLane(ctx context.Context, lane string) error {
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.HDel(ctx, loopsBegunKey, lane)
		p.HDel(ctx, loopResultsKey, lane)
		return nil
	})
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// LoopResults gives the newest outcome of each lane.
func (s *Store) LoopResults(ctx context.Context) (map[string][]byte, error) {
	m, err := s.rdb.HGetAll(ctx, loopResultsKey).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	out := make(map[string][]byte, len(m))
	for lane, body := range m {
		out[lane] = []byte(body)
	}
	return out, nil
}

// KeepSent keeps a canary as it was sent, sealed, so that what comes back can be compared with it.
func (s *Store) KeepSent(ctx context.Context, id ledger.MessageID, sealed []byte) error {
	p, err := ledger.Partition(string(id))
	if err != nil {
		return err
	}
	if err := s.rdb.Set(ctx, sentKey(p, id), sealed, sentKept).Err(); err != nil {
		return unavailable(err)
	}
	return nil
}

// Sent gives what KeepSent kept; ErrNotFound beyond its time.
func (s *Store) Sent(ctx context.Context, id ledger.MessageID) ([]byte, error) {
	p, err := ledger.Partition(string(id))
	if err != nil {
		return nil, ErrNotFound
	}
	b, err := s.rdb.Get(ctx, sentKey(p, id)).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, unavailable(err)
	}
	return b, nil
}
