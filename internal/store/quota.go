package store

import (
	"context"
	"time"
)

// A cap's window moves in 24 slices: a mail stops counting at most one window, and at least 23 slices, after it left.

// KEYS 1 quota · ARGV 1 cap, 2 window ms. The HASH holds slice number -> mails. Returns {1, slice} when one more may leave, and counts it; else
// {0, mails in the window, ms when the oldest slice leaves the window}.
var quotaScript = newScript(`
local cap, w = tonumber(ARGV[1]), math.max(1, math.floor(ARGV[2] / 24))
local cur, sum, oldest = math.floor(now() / w), 0, nil
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local slice = tonumber(all[i])
  if slice <= cur - 24 then redis.call('HDEL', KEYS[1], all[i])
  elseif tonumber(all[i + 1]) > 0 then
    sum = sum + all[i + 1]
    if not oldest or slice < oldest then oldest = slice end
  end
end
if sum >= cap then return {0, sum, ((oldest or cur) + 24) * w} end
redis.call('HINCRBY', KEYS[1], string.format('%.0f', cur), 1)
redis.call('PEXPIRE', KEYS[1], ARGV[2] + w)
return {1, cur}`)

// Allowance is what a route's cap says of one more mail.
type Allowance struct {
	OK    bool
	Count int       // mails in the window, when it is used up
	Next  time.Time // when room comes, at the earliest
	slice int64     // where it was counted
}

// Spend counts a mail against the cap of its route. One that no host has taken is given back by Refund.
func (s *Store) Spend(ctx context.Context, route string, limit Limit) (Allowance, error) {
	return s.spend(ctx, quotaKey(route), limit)
}

func (s *Store) spend(ctx context.Context, key string, limit Limit) (Allowance, error) {
	v, err := s.run(ctx, quotaScript, []string{key}, limit.N, limit.Per.Milliseconds())
	if err != nil {
		return Allowance{}, err
	}
	list, _ := v.([]any)
	if len(list) == 3 {
		return Allowance{Count: int(asInt(list[1])), Next: fromMillis(asInt(list[2]))}, nil
	}
	a := Allowance{OK: true}
	if len(list) == 2 {
		a.slice = asInt(list[1])
	}
	return a, nil
}

// KEYS 1 quota · ARGV 1 slice. Takes one mail back, if its slice is still counted.
var refundScript = newScript(`
if tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0') > 0 then redis.call('HINCRBY', KEYS[1], ARGV[1], -1) end
return 1`)

// Refund takes back what Spend counted. After a crash between the two, a mail counts that never left: the cap errs on the safe side.
func (s *Store) Refund(ctx context.Context, route string, a Allowance) error {
	_, err := s.run(ctx, refundScript, []string{quotaKey(route)}, a.slice)
	return err
}
