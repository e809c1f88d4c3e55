package store

import (
	"context"
	"strings"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// What receivers report about our mail in bulk is kept as counts, by kind of report, domain and UTC day: a hash, the fields of which are
// diag's. A report counts once, whenever it comes and however often.

// How long and how much is kept. A day with 100 receivers and 300 counts is 16 KB in a packed hash; Redis packs up to 512 fields.
const (
	BulkFor      = 92 * 24 * time.Hour
	bulkFields   = 500  // of one day; half of them for reports that nobody signed, so that forged ones cannot crowd out the others
	bulkReports  = 5000 // of one domain that are remembered as counted; beyond, no more are taken
	bulkToCome   = 48 * time.Hour
	bulkNameSize = 16
)

// Bulk is one report, reduced to what is kept of it.
type Bulk struct {
	Kind, Domain string
	Day          time.Time // UTC, midnight
	Reporter, ID string    // together they name the report
	Signed       bool      // the mail that brought it was signed by the reporter
	Counts       []BulkCount
}

// BulkCount is a number to add to a field; Spill is the field in its place where the day is full.
type BulkCount struct {
	Field, Spill string
	N            int64
}

// BulkKept is what became of a report.
type BulkKept string

const (
	BulkCounted BulkKept = "counted"
	BulkKnown   BulkKept = "known"    // it was counted before
	BulkTooOld  BulkKept = "too_old"  // its day is no longer kept
	BulkTooNew  BulkKept = "too_new"  // its day has not come
	BulkTooMany BulkKept = "too_many" // the domain has had bulkReports of late
)

// KEYS 1 reports counted, 2 the day · ARGV 1 report, 2 ms that it is remembered, 3 most reports, 4 most fields, 5 ms until the day is
// dropped, 6… for each count: field, spill, number.
// Counts a report once. Returns 1 counted, 0 known, -1 too many.
var bulkScript = newScript(`
local t = now()
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', t - ARGV[2])
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return -1 end
redis.call('ZADD', KEYS[1], t, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local n = redis.call('HLEN', KEYS[2])
for i = 6, #ARGV, 3 do
  local field = ARGV[i]
  if redis.call('HEXISTS', KEYS[2], field) == 0 then
    if n >= tonumber(ARGV[4]) then field = ARGV[i + 1] else n = n + 1 end
  end
  redis.call('HINCRBY', KEYS[2], field, ARGV[i + 2])
end
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return 1`)

// KeepBulk counts a report, once.
func (s *Store) KeepBulk(ctx context.Context, b Bulk) (BulkKept, error) {
	now := s.Now()
	switch left := b.Day.Add(BulkFor).Sub(now); {
	case left <= 0:
		return BulkTooOld, nil
	case left > BulkFor+bulkToCome:
		return BulkTooNew, nil
	default:
		fields := bulkFields
		if !b.Signed {
			fields /= 2
		}
		args := []any{hashed("bulk", b.Reporter, b.ID)[:bulkNameSize], BulkFor.Milliseconds(), bulkReports, fields, left.Milliseconds()}
		for _, c := range b.Counts {
			args = append(args, c.Field, c.Spill, c.N)
		}
		v, err := s.commit(ctx, bulkScript, []string{bulkSeenKey(b.Kind, b.Domain), bulkKey(b.Kind, b.Domain, b.Day)}, args...)
		switch {
		case err != nil:
			return "", err
		case asInt(v) == 0:
			return BulkKnown, nil
		case asInt(v) < 0:
			return BulkTooMany, nil
		}
		return BulkCounted, nil
	}
}

// SpendReport counts a report that came from outside; Next says when there is room again.
func (s *Store) SpendReport(ctx context.Context, limit Limit) (Allowance, error) {
	return s.spend(ctx, bulkQuotaKey, limit)
}

// Bulks reads the counts of the days in [from, to] that have any.
func (s *Store) Bulks(ctx context.Context, kind, domain string, from, to time.Time) (map[time.Time]Tallied, error) {
	return s.tallies(ctx, from, to, 24*time.Hour, func(day time.Time) string { return bulkKey(kind, domain, day) })
}

// SaySeen writes into the facts of the house what others saw of a domain, where the gist of it is another than what was said last.
// said = it was.
func (s *Store) SaySeen(ctx context.Context, f ledger.Fact, gist string) (said bool, err error) {
	rows, err := encode([]ledger.Fact{f})
	if err != nil {
		return false, err
	}
	v, err := s.run(ctx, reportScript, []string{bulkSaidKey, houseKey}, f.Check.Seen.Kind+" "+f.Check.Domain, strings.ReplaceAll(gist, " ", "_"), "", rows[0], houseFacts)
	return asInt(v) == 1, err
}
