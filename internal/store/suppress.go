package store

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resetd/resetd/internal/ledger"
)

// A suppression is of one exact address (domain folded, local part as it is) and needs two permanent recipient faults on different messages
// within FaultWindow: one bounce is a claim, two are a pattern.
const (
	FaultsNeeded = 2
	FaultWindow  = 30 * 24 * time.Hour
	HoldFor      = 30 * 24 * time.Hour
)

// Suppression is an address that is not written to for a while.
type Suppression struct {
	Address  string           `json:"address"`
	Since    time.Time        `json:"since"`
	Until    time.Time        `json:"until"`
	Cause    string           `json:"cause"`
	Evidence []ledger.EventID `json:"evidence"`
	Proof    string           `json:"proof,omitempty"` // what the host said last
}

// ExactAddress folds the domain of an address and nothing else: local parts belong to their host.
func ExactAddress(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return address
	}
	return address[:at+1] + strings.ToLower(address[at+1:])
}

func addressHash(address string) string { return hashed("address", ExactAddress(address)) }

// KEYS 1 faults, 2 suppression, 3 index · ARGV 1 message, 2 event, 3 window ms, 4 needed, 5 hold ms, 6 hash, 7 suppression as JSON without since, until and evidence, 8 fault's ms.
// Counts a fault; a second one of the same message changes nothing. When enough are in the window, the address is suppressed. Returns
// {until ms, since ms, events…} of a suppression that began now, else {}.
var faultScript = newScript(`
local t = now()
for _, m in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if string.match(m, '^(%S+) ') == ARGV[1] then return {} end
end
redis.call('ZADD', KEYS[1], ARGV[8], ARGV[1] .. ' ' .. ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', t - ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local list = redis.call('ZRANGE', KEYS[1], 0, -1)
if #list < tonumber(ARGV[4]) then return {} end
local till, out = t + ARGV[5], {}
for _, m in ipairs(list) do out[#out + 1] = string.match(m, ' (%S+)$') end
redis.call('HSET', KEYS[2], 'j', ARGV[7], 'since', t, 'until', till, 'ev', table.concat(out, ' '))
redis.call('PEXPIRE', KEYS[2], ARGV[5])
redis.call('ZADD', KEYS[3], till, ARGV[6])
table.insert(out, 1, t)
table.insert(out, 1, till)
return out`)

// Fault counts a permanent recipient fault of an address, proven by an event, against one message. It returns the suppression that begins with it, if one does.
func (s *Store) Fault(ctx context.Context, address string, message ledger.MessageID, event ledger.EventID, at time.Time, cause, proof string) (*Suppression, error) {
	h := addressHash(address)
	sup := Suppression{Address: ExactAddress(address), Cause: cause, Proof: proof}
	body, err := json.Marshal(sup)
	if err != nil {
		return nil, err
	}
	v, err := s.commit(ctx, faultScript, []string{faultsKey(h), suppressionKey(h), suppressedKey(partitionOf(h))},
		string(message), string(event), FaultWindow.Milliseconds(), FaultsNeeded, HoldFor.Milliseconds(), h, body, millis(at))
	if err != nil {
		return nil, err
	}
	list, _ := v.([]any)
	if len(list) < 2 {
		return nil, nil
	}
	sup.Until, sup.Since = fromMillis(asInt(list[0])), fromMillis(asInt(list[1]))
	for _, e := range list[2:] {
		sup.Evidence = append(sup.Evidence, ledger.EventID(asString(e)))
	}
	return &sup, nil
}

// KEYS 1 faults, 2 suppression, 3 index · ARGV 1 ms of the proof, 2 needed, 3 hash.
// Forgets the faults that are older than a proof. A suppression that has too few of them left ends, and is returned as {since, until,
// JSON, events}; else {}.
var proveScript = newScript(`
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return {} end
local held = redis.call('HMGET', KEYS[2], 'since', 'until', 'j', 'ev')
if not held[1] or tonumber(held[2]) <= now() then return {} end
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[3])
return held`)

// Prove takes a proof that an address works (its link was used, a machine answered for it, a host says delivered) into account: faults
// older than it count no more, and a suppression that rested on them is lifted. It returns that one, or nil. A late report of a
// delivery before the faults lifts nothing.
func (s *Store) Prove(ctx context.Context, address string, at time.Time) (*Suppression, error) {
	h := addressHash(address)
	v, err := s.commit(ctx, proveScript, []string{faultsKey(h), suppressionKey(h), suppressedKey(partitionOf(h))}, millis(at), FaultsNeeded, h)
	if err != nil {
		return nil, err
	}
	list, _ := v.([]any)
	if len(list) != 4 {
		return nil, nil
	}
	return readSuppression(map[string]string{"since": asString(list[0]), "until": asString(list[1]), "j": asString(list[2]), "ev": asString(list[3])}, s.Now())
}

// Suppressed looks an address up; nil = it may be written to.
func (s *Store) Suppressed(ctx context.Context, address string) (*Suppression, error) {
	return s.suppression(ctx, addressHash(address))
}

func (s *Store) suppression(ctx context.Context, h string) (*Suppression, error) {
	m, err := s.rdb.HGetAll(ctx, suppressionKey(h)).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	return readSuppression(m, s.Now())
}

func readSuppression(m map[string]string, now time.Time) (*Suppression, error) {
	if len(m) == 0 {
		return nil, nil
	}
	var sup Suppression
	if err := json.Unmarshal([]byte(m["j"]), &sup); err != nil {
		return nil, errors.New("a suppression is not readable; was it written by a newer version?")
	}
	sup.Since, sup.Until = fromMillis(atoi(m["since"])), fromMillis(atoi(m["until"]))
	for _, e := range strings.Fields(m["ev"]) {
		sup.Evidence = append(sup.Evidence, ledger.EventID(e))
	}
	if !sup.Until.After(now) {
		return nil, nil
	}
	return &sup, nil
}

// Release lifts a suppression and forgets the faults that led to it; false = there was none.
func (s *Store) Release(ctx context.Context, address string) (bool, error) {
	h := addressHash(address)
	var del *redis.IntCmd
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		del = p.Del(ctx, suppressionKey(h))
		p.Del(ctx, faultsKey(h))
		p.ZRem(ctx, suppressedKey(partitionOf(h)), h)
		return nil
	})
	if err != nil {
		return false, unavailable(err)
	}
	return del.Val() > 0, nil
}

// Suppressions lists them, those that end first at the head, at most `most` from an offset on.
func (s *Store) Suppressions(ctx context.Context, offset, most int) ([]Suppression, error) {
	now := s.Now()
	cmds := make([]*redis.ZSliceCmd, ledger.Partitions)
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range cmds {
			p.ZRemRangeByScore(ctx, suppressedKey(i), "-inf", itoa(millis(now)))
			cmds[i] = p.ZRangeWithScores(ctx, suppressedKey(i), 0, int64(offset+most))
		}
		return nil
	})
	if err != nil {
		return nil, unavailable(err)
	}
	var all []redis.Z
	for _, c := range cmds {
		all = append(all, c.Val()...)
	}
	slices.SortStableFunc(all, func(a, b redis.Z) int { return int(a.Score - b.Score) })
	if offset >= len(all) {
		return nil, nil
	}
	all = all[offset:min(offset+most, len(all))]
	out := make([]Suppression, 0, len(all))
	for _, z := range all {
		sup, err := s.suppression(ctx, asString(z.Member))
		if err != nil {
			return nil, err
		}
		if sup != nil {
			out = append(out, *sup)
		}
	}
	return out, nil
}
