package store

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/ledger"
)

// KeepDNS keeps what DNS said at the moment of a send, once for each hash, until the facts that point to it are gone.
func (s *Store) KeepDNS(ctx context.Context, hash string, r dnscheck.Reading) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := s.rdb.Set(ctx, dnsKey(hash), body, s.retention).Err(); err != nil {
		return unavailable(err)
	}
	return nil
}

// DNS gives what KeepDNS kept, by hash; what is no longer there is left out.
func (s *Store) DNS(ctx context.Context, hashes ...string) (map[string]dnscheck.Reading, error) {
	out := map[string]dnscheck.Reading{}
	if len(hashes) == 0 {
		return out, nil
	}
	keys := make([]string, len(hashes))
	for i, h := range hashes {
		keys[i] = dnsKey(h)
	}
	bodies, err := s.rdb.MGet(ctx, keys...).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	for i, b := range bodies {
		text, ok := b.(string)
		var r dnscheck.Reading
		if ok && json.Unmarshal([]byte(text), &r) == nil {
			out[hashes[i]] = r
		}
	}
	return out, nil
}

// KEYS 1 standings, 2 house facts · ARGV 1 domain, 2 standing as it was read (” = none), 3 standing now, 4 facts kept, 5 fact (” = none).
// Changes a standing, and writes the fact with it, unless somebody else changed it in between. Returns 1 if it did, else 0.
var followScript = newScript(`
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
if ARGV[5] ~= '' then
  redis.call('RPUSH', KEYS[2], ARGV[5])
  redis.call('LTRIM', KEYS[2], -ARGV[4], -1)
end
return 1`)

// FollowRecords compares a reading with the records as they were last seen by anybody, and writes a Checked fact where one says something
// else. changed is what it wrote.
func (s *Store) FollowRecords(ctx context.Context, domain string, r dnscheck.Reading, at time.Time) (changed []dnscheck.Change, err error) {
	old, err := s.rdb.HGet(ctx, standingKey, domain).Result()
	if err != nil && err != redis.Nil {
		return nil, unavailable(err)
	}
	var before []dnscheck.Standing
	if old != "" && json.Unmarshal([]byte(old), &before) != nil {
		before = nil // of another version: what is seen now is the beginning
	}
	now, changed := dnscheck.Follow(before, r, at)
	body, err := json.Marshal(now)
	if err != nil {
		return nil, err
	}
	fact := []byte{}
	if len(changed) > 0 {
		rows, err := encode([]ledger.Fact{changeFact(domain, changed, at)})
		if err != nil {
			return nil, err
		}
		fact = rows[0].([]byte)
	}
	v, err := s.run(ctx, followScript, []string{standingKey, houseKey}, domain, old, body, houseFacts, fact)
	if err != nil || asInt(v) == 0 {
		return nil, err
	}
	return changed, nil
}

// changeFact says which records of a domain changed. Its causes are those of the records that mail cannot pass by now.
func changeFact(domain string, changed []dnscheck.Change, at time.Time) ledger.Fact {
	check := &ledger.Check{Domain: domain, Severity: string(dnscheck.OK)}
	for _, c := range changed {
		check.Changes = append(check.Changes, ledger.RecordChange{Kind: string(c.Now.Kind), Name: c.Now.Name, Was: stateOf(c.Was.Record), Now: stateOf(c.Now),
			Good: c.Now.Good(), Seen: c.Was.Seen})
		if c.Now.Good() {
			continue
		}
		check.Severity = string(dnscheck.Error)
		if cause := c.Now.Cause(); !slices.Contains(check.Causes, cause) {
			check.Causes = append(check.Causes, cause)
		}
	}
	return ledger.Fact{ID: ledger.NewEventID(), At: at, Event: ledger.Checked, Check: check}
}

func stateOf(r dnscheck.Record) ledger.RecordState {
	return ledger.RecordState{State: r.State, Text: r.Text, About: r.About}
}
