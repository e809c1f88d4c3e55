package store

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"github.com/resetd/resetd/internal/ledger"
)

// ReturnsKept is how many returned mails one message may have; a host that sends more is not believed.
const ReturnsKept = 20

// ErrEnough means that a message already has ReturnsKept returned mails.
var ErrEnough = errors.New("enough mail came back for this message")

// KEYS 1 the message's work, 2 sealed copy, 3 the return's work, 4 due, 5 ring
// ARGV 1 retention ms, 2 return id, 3 sealed mail, 4 message id, 5 most, 6 ring patience ms, 7 source, 8 by what it was matched.
// Keeps a returned mail and the work of reading it, in one step; one that is kept, or was read already, is left as it is, so that a mail
// that is offered over and over is read once. Returns Redis' time, -1 when no such message is known, -2 when it has had enough.
var keepScript = newScript(`
local l = redis.call('HGET', KEYS[1], 'l')
if not l then return -1 end
local t = now()
if redis.call('EXISTS', KEYS[3]) == 1 then return t end
if redis.call('HINCRBY', KEYS[1], 'n', 1) > tonumber(ARGV[5]) then return -2 end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[1])
redis.call('HSET', KEYS[3], 'l', l, 'rm', redis.call('HGET', KEYS[1], 'rm'), 'r', redis.call('HGET', KEYS[1], 'r'), 'm', ARGV[4], 'src', ARGV[7], 'by', ARGV[8], 's', 'open')
redis.call('ZADD', KEYS[4], t, ARGV[2])
redis.call('HSET', KEYS[5], ARGV[2], '1:' .. string.format('%.0f', t + ARGV[6]))
return t`)

// Origin is where a returned mail came from, and by what it was matched with its message.
type Origin struct {
	Source string // smtp, imap
	Found  ledger.Found
}

// Keep stores a returned mail that came to its signed return path over SMTP; see KeepFrom.
func (s *Store) Keep(ctx context.Context, message ledger.MessageID, id ledger.ReturnID, sealed []byte) (Ring, error) {
	return s.KeepFrom(ctx, Origin{Source: "smtp"}, message, id, sealed)
}

// KeepFrom stores a returned mail, already sealed, as work for a worker. ErrNotFound: the message is beyond retention; ErrEnough: too
// many came.
func (s *Store) KeepFrom(ctx context.Context, from Origin, message ledger.MessageID, id ledger.ReturnID, sealed []byte) (Ring, error) {
	p, err := ledger.Partition(string(message))
	if err != nil {
		return Ring{}, ErrNotFound
	}
	if s.full.Load() {
		return Ring{}, &Unavailable{Err: ErrFull}
	}
	v, err := s.commit(ctx, keepScript,
		[]string{workKey(p, string(message)), sealedKey(p, id), workKey(p, string(id)), dueKey(p, Digest), ringKey(p)},
		s.retention.Milliseconds(), string(id), sealed, string(message), ReturnsKept, RingPatience.Milliseconds(), from.Source, string(from.Found))
	if err != nil {
		return Ring{}, err
	}
	switch n := asInt(v); n {
	case -1:
		return Ring{}, ErrNotFound
	case -2:
		return Ring{}, ErrEnough
	default:
		return Ring{ID: string(id), Number: 1, At: fromMillis(n)}, nil
	}
}

// Sealed gives the sealed copy of a returned mail; ErrNotFound once it was read, or retention took it.
func (s *Store) Sealed(ctx context.Context, id ledger.ReturnID) ([]byte, error) {
	p, err := ledger.Partition(string(id))
	if err != nil {
		return nil, ErrNotFound
	}
	b, err := s.rdb.Get(ctx, sealedKey(p, id)).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, unavailable(err)
	}
	return b, nil
}

// MessageAt says to which reset and ledger a message belongs; ErrNotFound beyond retention.
func (s *Store) MessageAt(ctx context.Context, id ledger.MessageID) (Work, error) {
	p, err := ledger.Partition(string(id))
	if err != nil {
		return Work{}, ErrNotFound
	}
	v, err := s.rdb.HMGet(ctx, workKey(p, string(id)), "l", "rm", "r").Result()
	if err != nil {
		return Work{}, unavailable(err)
	}
	if asString(v[0]) == "" {
		return Work{}, ErrNotFound
	}
	return Work{ID: string(id), Kind: Deliver, Ledger: LedgerID(asString(v[0])), Realm: asString(v[1]), Reset: ledger.ResetID(asString(v[2])), Message: id}, nil
}
