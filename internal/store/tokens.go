package store

import (
	"context"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/token"
)

// An account's record is a HASH: k ms up to which every token issued is replaced, pk what k was before, "u:<reset>" the generation, ms
// and event of a token's use, "v:<reset>" the event by which a failed outcome revived it once. No token stands in it.

// Admission is what becomes of an ask for an account.
type Admission struct {
	MergedInto ledger.ResetID // its mail serves this ask too; "" = none
	Until      time.Time      // throttled until then; zero = not
	Count      int            // asks in the window, when throttled
}

// Limit is at most N asks in Per; N 0 = no limit.
type Limit struct {
	N   int
	Per time.Duration
}

// KEYS 1 asks · ARGV 1 reset, 2 asked ms, 3 merge ms, 4 limit, 5 limit's window ms.
// Returns {'in'}, {'merged', reset} or {'throttled', until ms, count}. Asking again for the same reset gives 'in' if it was in.
var admitScript = newScript(`
local asked, merge, n, per = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return {'in'} end
if merge > 0 then
  local near = redis.call('ZREVRANGEBYSCORE', KEYS[1], '(' .. (asked + merge), '(' .. (asked - merge), 'LIMIT', 0, 1)
  if near[1] then return {'merged', near[1]} end
end
if n > 0 then
  local list = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. (asked - per), asked, 'WITHSCORES')
  if #list / 2 >= n then return {'throttled', tonumber(list[#list - 2 * n + 2]) + per, #list / 2} end
end
redis.call('ZADD', KEYS[1], asked, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', asked - math.max(per, merge, 86400000))
redis.call('PEXPIRE', KEYS[1], math.max(per, merge, 86400000))
return {'in'}`)

// Admit counts an ask against an account: merged into a near one, throttled, or in.
func (s *Store) Admit(ctx context.Context, a AccountID, id ledger.ResetID, asked time.Time, merge time.Duration, limit Limit) (Admission, error) {
	return s.admit(ctx, asksKey(a), id, asked, merge, limit)
}

// AdmitSource counts an ask against the source that it came from.
func (s *Store) AdmitSource(ctx context.Context, ip string, id ledger.ResetID, asked time.Time, limit Limit) (Admission, error) {
	return s.admit(ctx, sourceKey(ip), id, asked, 0, limit)
}

func (s *Store) admit(ctx context.Context, key string, id ledger.ResetID, asked time.Time, merge time.Duration, limit Limit) (Admission, error) {
	v, err := s.run(ctx, admitScript, []string{key}, string(id), millis(asked), merge.Milliseconds(), limit.N, limit.Per.Milliseconds())
	if err != nil {
		return Admission{}, err
	}
	list, _ := v.([]any)
	switch {
	case len(list) == 2 && list[0] == "merged":
		return Admission{MergedInto: ledger.ResetID(asString(list[1]))}, nil
	case len(list) == 3 && list[0] == "throttled":
		return Admission{Until: fromMillis(asInt(list[1])), Count: int(asInt(list[2]))}, nil
	}
	return Admission{}, nil
}

// KEYS 1 join · ARGV 1 ledger, 2 retention ms.
var joinScript = newScript(`
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`)

// Join remembers that an account was asked for through a ledger, so that whoever looks up one of its logins finds the others.
func (s *Store) Join(ctx context.Context, a AccountID, l LedgerID) error {
	_, err := s.run(ctx, joinScript, []string{joinKey(a)}, string(l), s.retention.Milliseconds())
	return err
}

// Joined gives the ledgers through which an account was asked for.
func (s *Store) Joined(ctx context.Context, a AccountID) ([]LedgerID, error) {
	rows, err := s.rdb.SMembers(ctx, joinKey(a)).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	out := make([]LedgerID, len(rows))
	for i, r := range rows {
		out[i] = LedgerID(r)
	}
	return out, nil
}

// Live is a token as its reset's facts have it, at the moment of asking.
type Live struct {
	Account   AccountID
	Ledger    LedgerID
	Reset     ledger.ResetID
	Gen       int
	NewestGen int // a token of an older generation is replaced
	Issued    time.Time
	Expires   time.Time
}

// KEYS 1 account, 2 owed · ARGV 1 reset, 2 generation, 3 newest generation, 4 issued ms, 5 expires ms, 6 retention ms, 7 event, 8 owed row (” = only look).
// Returns 'ok', 'used', 'replaced' or 'expired', in that order of asking. 'ok' with a row uses the token: no other call can get it, and
// every other token of the account is replaced. The row is the Redeemed fact that the reset's ledger is owed. The same event again gets
// the same answer: a client whose reply was lost sends its command anew, and must not hear 'used' from its own use.
var redeemScript = newScript(`
local t = now()
local used = redis.call('HGET', KEYS[1], 'u:' .. ARGV[1])
if used then
  local gen, event = string.match(used, '^(%d+):%d+:(.*)$')
  if gen == ARGV[2] then return event == ARGV[7] and 'ok' or 'used' end
end
if tonumber(ARGV[4]) <= tonumber(redis.call('HGET', KEYS[1], 'k') or '0') or ARGV[2] ~= ARGV[3] then return 'replaced' end
if t >= tonumber(ARGV[5]) then return 'expired' end
if ARGV[8] == '' then return 'ok' end
redis.call('HSET', KEYS[1], 'u:' .. ARGV[1], ARGV[2] .. ':' .. t .. ':' .. ARGV[7], 'pk', redis.call('HGET', KEYS[1], 'k') or '0', 'k', t)
redis.call('PEXPIRE', KEYS[1], ARGV[6])
redis.call('HSET', KEYS[2], ARGV[7], ARGV[8])
return 'ok'`)

// Inspect says whether a token lives: nil, token.ErrUsed, ErrReplaced or ErrExpired. It changes nothing.
func (s *Store) Inspect(ctx context.Context, t Live) error {
	return s.redeem(ctx, t, "", "")
}

// Redeem uses a token: nil for exactly one caller. The fact is owed to the ledger from that moment on, and written there before Redeem
// returns, or else by whoever calls PayOwed next.
func (s *Store) Redeem(ctx context.Context, t Live, f ledger.Fact) error {
	row, err := owe(t.Ledger, f)
	if err != nil {
		return err
	}
	if err := s.redeem(ctx, t, string(f.ID), row); err != nil {
		return err
	}
	// A failure here loses nothing: the fact is still owed.
	_ = s.payOne(ctx, partitionOf(string(t.Account)), string(f.ID), row)
	return nil
}

func (s *Store) redeem(ctx context.Context, t Live, event, row string) error {
	keys := []string{accountKey(t.Account), owedKey(partitionOf(string(t.Account)))}
	args := []any{string(t.Reset), t.Gen, t.NewestGen, millis(t.Issued), millis(t.Expires), s.retention.Milliseconds(), event, row}
	write := s.run
	if row != "" {
		write = s.commit
	}
	v, err := write(ctx, redeemScript, keys, args...)
	if err != nil {
		return err
	}
	switch asString(v) {
	case "used":
		return token.ErrUsed
	case "replaced":
		return token.ErrReplaced
	case "expired":
		return token.ErrExpired
	}
	return nil
}

// KEYS 1 account, 2 owed · ARGV 1 reset, 2 window ms, 3 retention ms, 4 event, 5 owed row. Returns 1 when the token lives again, by this
// event now or already, else 0.
var reviveScript = newScript(`
local revived = redis.call('HGET', KEYS[1], 'v:' .. ARGV[1])
if revived then return revived == ARGV[4] and 1 or 0 end
local used = redis.call('HGET', KEYS[1], 'u:' .. ARGV[1])
if not used then return 0 end
local at = tonumber(string.match(used, '^%d+:(%d+)'))
if now() - at > tonumber(ARGV[2]) or tonumber(redis.call('HGET', KEYS[1], 'k')) ~= at then return 0 end
redis.call('HDEL', KEYS[1], 'u:' .. ARGV[1])
redis.call('HSET', KEYS[1], 'v:' .. ARGV[1], ARGV[4], 'k', redis.call('HGET', KEYS[1], 'pk') or '0')
redis.call('HSET', KEYS[2], ARGV[4], ARGV[5])
return 1`)

// Revive makes a redeemed token, and those it replaced, live again, since the app could not store the password: once for a reset, and
// only within the window. It says whether it did; then the fact is owed to the ledger.
func (s *Store) Revive(ctx context.Context, t Live, window time.Duration, f ledger.Fact) (bool, error) {
	row, err := owe(t.Ledger, f)
	if err != nil {
		return false, err
	}
	p := partitionOf(string(t.Account))
	v, err := s.commit(ctx, reviveScript, []string{accountKey(t.Account), owedKey(p)},
		string(t.Reset), window.Milliseconds(), s.retention.Milliseconds(), string(f.ID), row)
	if err != nil || asInt(v) != 1 {
		return false, err
	}
	_ = s.payOne(ctx, p, string(f.ID), row)
	return true, nil
}

// KEYS 1 account · ARGV 1 retention ms.
var replaceScript = newScript(`
redis.call('HSET', KEYS[1], 'k', now())
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1`)

// ReplaceAll kills every live token of an account: its password was changed.
func (s *Store) ReplaceAll(ctx context.Context, a AccountID) error {
	_, err := s.commit(ctx, replaceScript, []string{accountKey(a)}, s.retention.Milliseconds())
	return err
}

// KEYS 1 ledger, 2 reset · ARGV 1 retention ms, 2 most, 3 fact. Returns 1 when the fact was kept.
var visitScript = newScript(`
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
if redis.call('HINCRBY', KEYS[2], 'v', 1) > tonumber(ARGV[2]) then return 0 end
push(KEYS[1], 3, 3, ARGV[1])
return 1`)

// VisitsKept is how many visits of a reset's link are kept as facts: anybody who has the link can make them.
const VisitsKept = 100

// Visit records that somebody was at the link; beyond VisitsKept it does nothing.
func (s *Store) Visit(ctx context.Context, at Place, f ledger.Fact) error {
	rows, err := encode([]ledger.Fact{f})
	if err != nil {
		return err
	}
	_, err = s.run(ctx, visitScript, []string{ledgerKey(at.Ledger), resetKey(at.Ledger.Partition(), f.Reset)}, s.retention.Milliseconds(), VisitsKept, rows[0])
	return err
}
