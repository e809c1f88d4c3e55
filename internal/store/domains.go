package store

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/ledger"
)

// KEYS 1 reports, 2 house facts · ARGV 1 domain, 2 hash, 3 report, 4 fact, 5 facts kept, 6 the fact of a first report where it differs. A report is kept as its
// hash, a space and its JSON. When the hash is another than the last one's, or there was none, the fact is written too. Returns 1 if it was, else 0.
var reportScript = newScript(`
local old = redis.call('HGET', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3])
if old and string.sub(old, 1, #ARGV[2] + 1) == ARGV[2] .. ' ' then return 0 end
redis.call('RPUSH', KEYS[2], old and ARGV[4] or ARGV[6] or ARGV[4])
redis.call('LTRIM', KEYS[2], -ARGV[5], -1)
return 1`)

// KeepReport keeps the newest report of a domain of ours, and writes a Checked fact where it says something else than the one before;
// changed says so. by and role are whose check it was; "" = resetd's own.
func (s *Store) KeepReport(ctx context.Context, r dnscheck.Report, by, role string) (changed bool, err error) {
	body, err := json.Marshal(r)
	if err != nil {
		return false, err
	}
	f := ledger.Fact{ID: ledger.NewEventID(), At: s.Now(), Event: ledger.Checked, By: by, Role: role,
		Check: &ledger.Check{Domain: r.Domain, Severity: string(r.Severity), Hash: r.Hash()}}
	for _, x := range r.Findings {
		if x.Severity != dnscheck.Error {
			continue
		}
		if len(f.Check.Errors) < 3 {
			f.Check.Errors = append(f.Check.Errors, x.What)
		}
		if x.Cause != "" && !slices.Contains(f.Check.Causes, x.Cause) {
			f.Check.Causes = append(f.Check.Causes, x.Cause)
		}
	}
	first := *f.Check
	first.First = true
	other := f
	other.Check = &first
	rows, err := encode([]ledger.Fact{f, other})
	if err != nil {
		return false, err
	}
	v, err := s.run(ctx, reportScript, []string{domainsKey, houseKey}, r.Domain, f.Check.Hash, body, rows[0], houseFacts, rows[1])
	return asInt(v) == 1, err
}

// Reports gives the newest report of each domain.
func (s *Store) Reports(ctx context.Context) (map[string]dnscheck.Report, error) {
	m, err := s.rdb.HGetAll(ctx, domainsKey).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	out := make(map[string]dnscheck.Report, len(m))
	for domain, text := range m {
		var r dnscheck.Report
		_, body, _ := strings.Cut(text, " ")
		if json.Unmarshal([]byte(body), &r) == nil {
			out[domain] = r
		}
	}
	return out, nil
}

// KeyID names a DKIM key at its place in DNS: another key under the same selector is another one.
func KeyID(domain, selector string, public crypto.PublicKey) string {
	name := selector + "._domainkey." + domain
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return name // no key that signs mail is of a kind that cannot be written
	}
	sum := sha256.Sum256(der)
	return name + " " + hex.EncodeToString(sum[:12])
}

// InUse marks in a question the keys that do not sign yet: those whose record was never seen, where that of another key was.
func InUse(q dnscheck.Question, seen func(keyID string) bool) dnscheck.Question {
	q.Selectors = slices.Clone(q.Selectors)
	signs := false
	for i, s := range q.Selectors {
		q.Selectors[i].Use = dnscheck.KeyPending
		if seen(KeyID(q.Domain, s.Name, s.Public)) {
			q.Selectors[i].Use, signs = "", true
		}
	}
	for i := range q.Selectors {
		if !signs {
			q.Selectors[i].Use = ""
		}
	}
	return q
}

// NoteKey writes down that a DKIM key's record was seen in DNS. The first time counts; key names the record and the key.
func (s *Store) NoteKey(ctx context.Context, key string) (first bool, err error) {
	first, err = s.rdb.HSetNX(ctx, dkimSeenKey, key, millis(s.Now())).Result()
	if err != nil {
		return false, unavailable(err)
	}
	return first, nil
}

// SeenKeys says of which DKIM keys the record was seen at least once, and when first.
func (s *Store) SeenKeys(ctx context.Context) (map[string]time.Time, error) {
	return s.times(ctx, dkimSeenKey)
}

// NoteSigning writes down that a worker signs with these keys now; names are those of the records.
func (s *Store) NoteSigning(ctx context.Context, names ...string) error {
	if len(names) == 0 {
		return nil
	}
	var fields []any
	for _, n := range names {
		fields = append(fields, n, millis(s.Now()))
	}
	if err := s.rdb.HSet(ctx, dkimSigningKey, fields...).Err(); err != nil {
		return unavailable(err)
	}
	return nil
}

// Signing says when a worker last said that it signs with a key, by the name of its record.
func (s *Store) Signing(ctx context.Context) (map[string]time.Time, error) {
	return s.times(ctx, dkimSigningKey)
}

func (s *Store) times(ctx context.Context, key string) (map[string]time.Time, error) {
	m, err := s.rdb.HGetAll(ctx, key).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	out := make(map[string]time.Time, len(m))
	for name, ms := range m {
		out[name] = fromMillis(atoi(ms))
	}
	return out, nil
}

// SpendProbe counts a probe of somebody; Next says when there is room again.
func (s *Store) SpendProbe(ctx context.Context, who string, limit Limit) (Allowance, error) {
	return s.spend(ctx, probesKey(who), limit)
}

// NoteHouse writes a fact that belongs to no ledger.
func (s *Store) NoteHouse(ctx context.Context, f ledger.Fact) error {
	rows, err := encode([]ledger.Fact{f})
	if err != nil {
		return err
	}
	if err := s.rdb.RPush(ctx, houseKey, rows...).Err(); err != nil {
		return unavailable(err)
	}
	return nil
}
