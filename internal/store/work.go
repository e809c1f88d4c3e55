package store

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resetd/resetd/internal/ledger"
)

// Kind is a kind of work: what wakes a worker.
type Kind string

const (
	Deliver Kind = "m" // a message to send
	Digest  Kind = "r" // a returned mail to parse
)

// KindOf reads it off a work id: msg_ or ret_.
func KindOf(id string) (Kind, error) {
	switch {
	case strings.HasPrefix(id, "msg_"):
		return Deliver, nil
	case strings.HasPrefix(id, "ret_"):
		return Digest, nil
	}
	return "", ledger.ErrBadID
}

// The outbox entry of a piece of work is a HASH: l ledger, rm realm, r reset, m message (of a return), s open or done, f fence, o owner,
// u ms until which the claim holds, rt route, df 1 when deferred, n returns kept, src and by where a return came from and how it was
// matched, x:NAME an event that was written, nx and nv how many of them. It outlives its work by a retention, since a bounce may name
// the message much later.

// Work is an outbox entry.
type Work struct {
	ID      string
	Kind    Kind
	Ledger  LedgerID
	Realm   string
	Reset   ledger.ResetID
	Message ledger.MessageID // the message itself, or the one that a return belongs to; "" for a batch of events, which has no ledger either
	Source  string           // of a return: smtp, imap
	Found   ledger.Found     // of a return: by what it was matched
}

// partition is that of the work's id, which is that of its ledger where it has one.
func (w Work) partition() int {
	p, err := ledger.Partition(w.ID)
	if err != nil {
		return 0 // no such work was ever stored
	}
	return p
}

// ledgerKey is where the work's facts go.
func (w Work) ledgerKey() string { return key(w.partition(), "ledger:"+string(w.Ledger)) }

// Claim is a worker's lease on a piece of work.
type Claim struct {
	Work
	Fence int64     // every write of this claim carries it
	Until time.Time // on Redis' clock
}

// Why a claim was not given.
var (
	ErrGone  = errors.New("no such work, or it is done")
	ErrTaken = errors.New("somebody else holds it")
	ErrEarly = errors.New("not due yet")
	// ErrStale means that the claim ran out and somebody else has, or may take, the work: stop before anything goes out.
	ErrStale = errors.New("the claim ran out")
)

// KEYS 1 work, 2 due, 3 lease, 4 ring · ARGV 1 id, 2 owner, 3 lease ms.
// Returns {'ok', fence, until, fields…} or {'gone'|'taken'|'early'}. A claim takes the work for the lease and draws the next fence;
// its ring is forgotten, so that the next one begins afresh.
var claimScript = newScript(`
local t = now()
if redis.call('HGET', KEYS[1], 's') ~= 'open' then return {'gone'} end
local u = tonumber(redis.call('HGET', KEYS[1], 'u') or '0')
if u > t then return {'taken'} end
local due = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[1]) or '0')
if due > t then return {'early'} end
local till = t + ARGV[3]
local fence = redis.call('HINCRBY', KEYS[1], 'f', 1)
redis.call('HSET', KEYS[1], 'o', ARGV[2], 'u', till)
redis.call('ZADD', KEYS[2], till, ARGV[1])
redis.call('ZADD', KEYS[3], till, ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
return {'ok', fence, till, redis.call('HMGET', KEYS[1], 'l', 'rm', 'r', 'm', 'src', 'by')}`)

// Claim takes a piece of work for a lease.
func (s *Store) Claim(ctx context.Context, id, owner string, lease time.Duration) (Claim, error) {
	kind, err := KindOf(id)
	if err != nil {
		return Claim{}, ErrGone
	}
	p, err := ledger.Partition(id)
	if err != nil {
		return Claim{}, ErrGone
	}
	v, err := s.run(ctx, claimScript, []string{workKey(p, id), dueKey(p, kind), leaseKey(p, kind), ringKey(p)}, id, owner, lease.Milliseconds())
	if err != nil {
		return Claim{}, err
	}
	list, _ := v.([]any)
	if len(list) == 0 {
		return Claim{}, ErrGone
	}
	switch list[0] {
	case "taken":
		return Claim{}, ErrTaken
	case "early":
		return Claim{}, ErrEarly
	case "gone":
		return Claim{}, ErrGone
	}
	f, _ := list[3].([]any)
	return Claim{
		Work: Work{ID: id, Kind: kind, Ledger: LedgerID(asString(f[0])), Realm: asString(f[1]),
			Reset: ledger.ResetID(asString(f[2])), Message: ledger.MessageID(asString(f[3])),
			Source: asString(f[4]), Found: ledger.Found(asString(f[5]))},
		Fence: asInt(list[1]), Until: fromMillis(asInt(list[2])),
	}, nil
}

// KEYS 1 work, 2 due, 3 lease · ARGV 1 id, 2 fence, 3 lease ms. Returns 1 when the claim holds for another lease, 0 when it is stale.
var renewScript = newScript(`
if redis.call('HGET', KEYS[1], 'f') ~= ARGV[2] or redis.call('HGET', KEYS[1], 's') ~= 'open' then return 0 end
local till = now() + ARGV[3]
redis.call('HSET', KEYS[1], 'u', till)
redis.call('ZADD', KEYS[2], till, ARGV[1])
redis.call('ZADD', KEYS[3], till, ARGV[1])
return 1`)

// Renew holds a claim for another lease; ErrStale when it is lost.
func (s *Store) Renew(ctx context.Context, c Claim, lease time.Duration) error {
	p := c.partition()
	v, err := s.run(ctx, renewScript, []string{workKey(p, c.ID), dueKey(p, c.Kind), leaseKey(p, c.Kind)}, c.ID, c.Fence, lease.Milliseconds())
	if err != nil {
		return err
	}
	if asInt(v) != 1 {
		return ErrStale
	}
	return nil
}

// KEYS 1 ledger, 2 work · ARGV 1 fence, 2 retention ms, 3… facts.
// Appends the facts and returns 1 if the claim holds (its fence is the newest and the work is open), else writes nothing and returns 0.
var intendScript = newScript(`
if redis.call('HGET', KEYS[2], 'f') ~= ARGV[1] or redis.call('HGET', KEYS[2], 's') ~= 'open' then return 0 end
push(KEYS[1], 3, #ARGV, ARGV[2])
return 1`)

// Intend writes what a claim is about to do. ErrStale: nothing was written, and nothing may be done.
func (s *Store) Intend(ctx context.Context, c Claim, facts ...ledger.Fact) error {
	rows, err := encode(facts)
	if err != nil {
		return err
	}
	v, err := s.commit(ctx, intendScript, []string{c.ledgerKey(), workKey(c.partition(), c.ID)},
		append([]any{c.Fence, s.retention.Milliseconds()}, rows...)...)
	if err != nil {
		return err
	}
	if asInt(v) != 1 {
		return ErrStale
	}
	return nil
}

// Plan is what becomes of a piece of work.
type Plan struct {
	Next     time.Time // when it is due again; zero = it is done
	Route    string    // the route that it waits for; "" = none known
	Deferred bool      // an attempt was made and put off
}

// KEYS 1 ledger, 2 work, 3 due, 4 lease, 5 ring, 6 routes, 7 sealed copy · ARGV 1 id, 2 fence, 3 retention ms, 4 next ms (0 = done), 5 route, 6 deferred, 7… facts.
// The facts are appended whatever the fence: they happened. The schedule changes only for the newest claim of open work; the return says which (1, 0).
var settleScript = newScript(`
push(KEYS[1], 7, #ARGV, ARGV[3])
if redis.call('HGET', KEYS[2], 'f') ~= ARGV[2] or redis.call('HGET', KEYS[2], 's') ~= 'open' then return 0 end
redis.call('HDEL', KEYS[2], 'u', 'o')
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('HDEL', KEYS[5], ARGV[1])
if ARGV[4] == '0' then
  count(KEYS[6], KEYS[2], '', '0')
  redis.call('HSET', KEYS[2], 's', 'done')
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
  redis.call('ZREM', KEYS[3], ARGV[1])
  redis.call('DEL', KEYS[7])
else
  count(KEYS[6], KEYS[2], ARGV[5], ARGV[6])
  redis.call('ZADD', KEYS[3], ARGV[4], ARGV[1])
end
return 1`)

// Settle writes what a claim saw and what becomes of the work, in one step. ErrStale: the facts are written, the schedule is another's now.
func (s *Store) Settle(ctx context.Context, c Claim, plan Plan, facts ...ledger.Fact) error {
	rows, err := encode(facts)
	if err != nil {
		return err
	}
	p := c.partition()
	kept := s.retention
	if c.Message == "" {
		kept = unitKept
	}
	var next int64
	if !plan.Next.IsZero() {
		next = millis(plan.Next)
	}
	v, err := s.commit(ctx, settleScript,
		[]string{c.ledgerKey(), workKey(p, c.ID), dueKey(p, c.Kind), leaseKey(p, c.Kind), ringKey(p), routeKey(p), sealedKey(p, ledger.ReturnID(c.ID))},
		append([]any{c.ID, c.Fence, kept.Milliseconds(), next, plan.Route, flag(plan.Deferred)}, rows...)...)
	if err != nil {
		return err
	}
	if asInt(v) != 1 {
		return ErrStale
	}
	return nil
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// KEYS 1 due, 2 ring · ARGV 1 most, 2 ms that a first ring may take to be heard.
// Returns {id, ring number, …} of work that is due and unclaimed and whose last ring, if any, can no longer be heard; each such ring is
// longer than the one before, so that a backlog is not rung for over and over.
var ringScript = newScript(`
local t, out = now(), {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', t, 'LIMIT', 0, ARGV[1])) do
  local last = redis.call('HGET', KEYS[2], id)
  local n, till = 0, 0
  if last then
    local a, b = string.match(last, '^(%d+):(%d+)$')
    n, till = tonumber(a), tonumber(b)
  end
  if till <= t then
    n = n + 1
    redis.call('HSET', KEYS[2], id, n .. ':' .. string.format('%.0f', t + ARGV[2] * 2 ^ math.min(n - 1, 6)))
    out[#out + 1] = id
    out[#out + 1] = n
  end
end
return out`)

// Ring is a wake-up to be put into the queue. No two rings of one piece of work have the same number within one life of its ring.
type Ring struct {
	ID     string
	Number int64
	At     time.Time
}

// Rings finds what is due, unclaimed and unheard in every partition, and marks it as rung.
func (s *Store) Rings(ctx context.Context, kind Kind, most int, patience time.Duration) ([]Ring, error) {
	cmds := make([]*redis.Cmd, ledger.Partitions)
	for again := true; ; again = false {
		_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i := range cmds {
				cmds[i] = ringScript.EvalSha(ctx, p, []string{dueKey(i, kind), ringKey(i)}, most, patience.Milliseconds())
			}
			return nil
		})
		if again && redis.HasErrorPrefix(err, "NOSCRIPT") {
			if err := ringScript.Load(ctx, s.rdb).Err(); err != nil {
				return nil, unavailable(err)
			}
			continue
		}
		if err != nil && err != redis.Nil {
			return nil, unavailable(err)
		}
		break
	}
	var out []Ring
	at := s.Now()
	for _, c := range cmds {
		list, _ := c.Val().([]any)
		for i := 0; i+1 < len(list); i += 2 {
			out = append(out, Ring{ID: asString(list[i]), Number: asInt(list[i+1]), At: at})
		}
	}
	return out, nil
}

// TaskID is the name under which a ring stands in the queue: unique for ever, since the queue refuses a name that it has kept.
func (r Ring) TaskID() string {
	return r.ID + ":" + strconv.FormatInt(r.At.UnixMilli(), 36) + "." + strconv.FormatInt(r.Number, 10)
}
