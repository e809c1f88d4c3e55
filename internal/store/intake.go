package store

import (
	"context"
	"errors"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// RingPatience is how long a first ring may take to be heard before the reconciler rings again.
const RingPatience = 10 * time.Second

// ErrFull means that Redis' memory is near its limit: nothing new is accepted, so that what was accepted can still be finished.
var ErrFull = errors.New("the store is nearly full; try again later")

// Flood bounds the asks for one login, whatever a directory would say of it: each costs the reading of the login's whole ledger. Up to Soft
// in Per they are work like any other; up to Hard they are recorded and refused in the same step; beyond that they are counted into the
// last one that was. The zero value bounds nothing.
type Flood struct {
	Soft, Hard int
	Per        time.Duration
	Refused    ledger.Fact // what is written for an ask between Soft and Hard
}

// Taken is what became of an ask.
type Taken struct {
	Reset ledger.ResetID // the ask's own, or, in a flood, the last one recorded
	Ring  Ring           // to be put into the queue; the zero value when there is nothing to do
}

// KEYS 1 ledger, 2 reset, 3 work, 4 due, 5 ring, 6 routes, 7 flood
// ARGV 1 retention ms, 2 message, 3 ledger id, 4 realm, 5 reset id, 6 ring patience ms, 7 oldest time kept (RFC 3339), 8 fact,
// 9 soft (0 = no bound), 10 hard, 11 window ms, 12 Refused fact.
// Writes the ask, its outbox entry and its due time, and rings for it; a reset that is there already is left as it is. Facts past their
// retention are dropped from the head. Returns {Redis' time, reset, 1 when there is work}.
var acceptScript = newScript(`
local t = now()
if redis.call('EXISTS', KEYS[2]) == 1 then return {t, ARGV[5], 1} end
local n, soft = 0, tonumber(ARGV[9])
if soft > 0 then
  n = redis.call('HINCRBY', KEYS[7], 'n', 1)
  if n == 1 then redis.call('PEXPIRE', KEYS[7], ARGV[11]) end
  local last = redis.call('HGET', KEYS[7], 'last')
  if n > tonumber(ARGV[10]) and last then return {t, last, 0} end
end
for i = 1, 100 do
  local head = redis.call('LINDEX', KEYS[1], 0)
  local at = head and string.match(head, '"t":"([^"]+)"')
  if not at or at >= ARGV[7] then break end
  redis.call('LPOP', KEYS[1])
end
push(KEYS[1], 8, 8, ARGV[1])
redis.call('HSET', KEYS[2], 'l', ARGV[3], 'rm', ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[1] + 172800000)
if soft > 0 and n > soft then
  push(KEYS[1], 12, 12, ARGV[1])
  redis.call('HSET', KEYS[7], 'last', ARGV[5])
  return {t, ARGV[5], 0}
end
redis.call('HSET', KEYS[3], 'l', ARGV[3], 'rm', ARGV[4], 'r', ARGV[5], 'm', ARGV[2], 's', 'open')
count(KEYS[6], KEYS[3], '-', '0')
redis.call('ZADD', KEYS[4], t, ARGV[2])
redis.call('HSET', KEYS[5], ARGV[2], '1:' .. string.format('%.0f', t + ARGV[6]))
return {t, ARGV[5], 1}`)

// Accept writes an ask: fact, outbox entry and due time in one script. The fact names reset, message and ask. Accepting the same reset
// again changes nothing. The ring it returns is to be put into the queue; that it is not is no error.
func (s *Store) Accept(ctx context.Context, f ledger.Fact) (Ring, error) {
	t, err := s.AcceptWithin(ctx, f, Flood{})
	return t.Ring, err
}

// AcceptWithin is Accept within the bounds of a flood.
func (s *Store) AcceptWithin(ctx context.Context, f ledger.Fact, bound Flood) (Taken, error) {
	if s.full.Load() {
		return Taken{}, &Unavailable{Err: ErrFull}
	}
	l := LedgerOf(f.Ask.Realm, f.Ask.Login)
	p := l.Partition()
	rows, err := encode([]ledger.Fact{f, bound.Refused})
	if err != nil {
		return Taken{}, err
	}
	oldest := s.Now().Add(-s.retention).Format(time.RFC3339)
	v, err := s.commit(ctx, acceptScript,
		[]string{ledgerKey(l), resetKey(p, f.Reset), workKey(p, string(f.Message)), dueKey(p, Deliver), ringKey(p), routeKey(p), floodKey(l)},
		s.retention.Milliseconds(), string(f.Message), string(l), f.Ask.Realm, string(f.Reset), RingPatience.Milliseconds(), oldest, rows[0],
		bound.Soft, bound.Hard, bound.Per.Milliseconds(), rows[1])
	if err != nil {
		return Taken{}, err
	}
	list, _ := v.([]any)
	if len(list) != 3 {
		return Taken{}, &Unavailable{Err: errors.New("an answer of another shape than the script's")}
	}
	taken := Taken{Reset: ledger.ResetID(asString(list[1]))}
	if asInt(list[2]) == 1 {
		taken.Ring = Ring{ID: string(f.Message), Number: 1, At: fromMillis(asInt(list[0]))}
	}
	return taken, nil
}

// KEYS 1 ledger, 2 new work, 3 due, 4 lease, 5 ring, 6 routes, 7… works of older messages
// ARGV 1 retention ms, 2 message, 3 ledger id, 4 realm, 5 reset id, 6 ring patience ms, 7 route, 8 the Resent fact, 9 ms until it is due, 10… for each older work: its id, its Cancelled fact.
// Writes the new message and takes back the booked attempts of the older ones; one that is done already is left. Returns Redis' time.
var resendScript = newScript(`
local t = now()
if redis.call('EXISTS', KEYS[2]) == 1 then return t end
push(KEYS[1], 8, 8, ARGV[1])
for i = 7, #KEYS do
  local id, fact = ARGV[10 + (i - 7) * 2], ARGV[11 + (i - 7) * 2]
  if redis.call('HGET', KEYS[i], 's') == 'open' then
    redis.call('RPUSH', KEYS[1], fact)
    count(KEYS[6], KEYS[i], '', '0')
    redis.call('HSET', KEYS[i], 's', 'done')
    redis.call('PEXPIRE', KEYS[i], ARGV[1])
    redis.call('ZREM', KEYS[3], id)
    redis.call('ZREM', KEYS[4], id)
    redis.call('HDEL', KEYS[5], id)
  end
end
redis.call('HSET', KEYS[2], 'l', ARGV[3], 'rm', ARGV[4], 'r', ARGV[5], 'm', ARGV[2], 's', 'open')
count(KEYS[6], KEYS[2], ARGV[7], '0')
redis.call('ZADD', KEYS[3], t + ARGV[9], ARGV[2])
if ARGV[9] == '0' then redis.call('HSET', KEYS[5], ARGV[2], '1:' .. string.format('%.0f', t + ARGV[6])) end
return t`)

// ResendLater is Resend with a message that is due after a delay; the reconciler rings for it then.
func (s *Store) ResendLater(ctx context.Context, at Place, delay time.Duration, resent ledger.Fact, cancelled []ledger.Fact) error {
	_, err := s.resend(ctx, at, delay, resent, cancelled)
	return err
}

// Resend writes another message of a reset (the Resent fact names both) and takes back what is still booked for its older ones; cancelled
// holds one Cancelled fact for each of those. A dialogue that is under way is not cut: its outcome is recorded when it comes.
func (s *Store) Resend(ctx context.Context, at Place, resent ledger.Fact, cancelled []ledger.Fact) (Ring, error) {
	return s.resend(ctx, at, 0, resent, cancelled)
}

func (s *Store) resend(ctx context.Context, at Place, delay time.Duration, resent ledger.Fact, cancelled []ledger.Fact) (Ring, error) {
	if s.full.Load() {
		return Ring{}, &Unavailable{Err: ErrFull}
	}
	p := at.Ledger.Partition()
	keys := []string{ledgerKey(at.Ledger), workKey(p, string(resent.Message)), dueKey(p, Deliver), leaseKey(p, Deliver), ringKey(p), routeKey(p)}
	rows, err := encode(append([]ledger.Fact{resent}, cancelled...))
	if err != nil {
		return Ring{}, err
	}
	route := "-"
	if resent.Resend != nil && resent.Resend.Route != "" {
		route = resent.Resend.Route
	}
	args := []any{s.retention.Milliseconds(), string(resent.Message), string(at.Ledger), at.Realm, string(resent.Reset), RingPatience.Milliseconds(), route, rows[0], max(0, delay.Milliseconds())}
	for i, c := range cancelled {
		keys = append(keys, workKey(p, string(c.Message)))
		args = append(args, string(c.Message), rows[i+1])
	}
	v, err := s.commit(ctx, resendScript, keys, args...)
	if err != nil {
		return Ring{}, err
	}
	return Ring{ID: string(resent.Message), Number: 1, At: fromMillis(asInt(v))}, nil
}

// KEYS 1 ledger, 2 due, 3 lease, 4 ring, 5 routes, 6… works · ARGV 1 retention ms, 2… for each work: its id, its Cancelled fact.
// Returns how many were open and are cancelled now.
var cancelScript = newScript(`
local n = 0
for i = 6, #KEYS do
  local id, fact = ARGV[2 + (i - 6) * 2], ARGV[3 + (i - 6) * 2]
  if redis.call('HGET', KEYS[i], 's') == 'open' then
    redis.call('RPUSH', KEYS[1], fact)
    count(KEYS[5], KEYS[i], '', '0')
    redis.call('HSET', KEYS[i], 's', 'done')
    redis.call('PEXPIRE', KEYS[i], ARGV[1])
    redis.call('ZREM', KEYS[2], id)
    redis.call('ZREM', KEYS[3], id)
    redis.call('HDEL', KEYS[4], id)
    n = n + 1
  end
end
return n`)

// Cancel takes back the booked attempts of messages, one Cancelled fact each, and says how many there were.
func (s *Store) Cancel(ctx context.Context, at Place, cancelled []ledger.Fact) (int, error) {
	p := at.Ledger.Partition()
	keys := []string{ledgerKey(at.Ledger), dueKey(p, Deliver), leaseKey(p, Deliver), ringKey(p), routeKey(p)}
	args := []any{s.retention.Milliseconds()}
	rows, err := encode(cancelled)
	if err != nil {
		return 0, err
	}
	for i, c := range cancelled {
		keys = append(keys, workKey(p, string(c.Message)))
		args = append(args, string(c.Message), rows[i])
	}
	v, err := s.commit(ctx, cancelScript, keys, args...)
	return int(asInt(v)), err
}
