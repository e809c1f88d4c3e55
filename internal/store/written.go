package store

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resetd/resetd/internal/ledger"
)

// What was written to an address lately, for returns that name a recipient and no message.
const (
	// WrittenFor is how long a return may take: relays give up after five days.
	WrittenFor  = 6 * 24 * time.Hour
	writtenMost = 20 // messages of one address that are remembered
)

// Write remembers that a message goes to an address.
func (s *Store) Write(ctx context.Context, address string, m ledger.MessageID) error {
	k := writtenKey(addressHash(address))
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.ZAdd(ctx, k, redis.Z{Score: float64(millis(s.Now())), Member: string(m)})
		p.ZRemRangeByRank(ctx, k, 0, -writtenMost-1)
		p.PExpire(ctx, k, WrittenFor)
		return nil
	})
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// WrittenTo gives the messages that went to an address within WrittenFor before a moment, newest first.
func (s *Store) WrittenTo(ctx context.Context, address string, before time.Time) ([]ledger.MessageID, error) {
	rows, err := s.rdb.ZRevRangeByScore(ctx, writtenKey(addressHash(address)), &redis.ZRangeBy{
		Max: itoa(millis(before)), Min: itoa(millis(before.Add(-WrittenFor))),
	}).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	out := make([]ledger.MessageID, len(rows))
	for i, r := range rows {
		out[i] = ledger.MessageID(r)
	}
	return out, nil
}
