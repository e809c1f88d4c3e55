package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// prelude is what every script may use: now() is Redis' own clock in milliseconds, the one clock that all processes share.
const prelude = `
local function now()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
-- push appends facts (ARGV[from..to]) to a ledger and lets it live for another retention.
local function push(key, from, to, retention)
  for i = from, to do redis.call('RPUSH', key, ARGV[i]) end
  if to >= from then redis.call('PEXPIRE', key, retention) end
end
-- count moves a message between the counters of its route: waiting (w) and, of those, deferred (d).
local function count(counters, work, route, deferred)
  local old, was = redis.call('HGET', work, 'rt'), redis.call('HGET', work, 'df')
  if old then
    redis.call('HINCRBY', counters, old .. ' w', -1)
    if was == '1' then redis.call('HINCRBY', counters, old .. ' d', -1) end
  end
  if route == '' then
    redis.call('HDEL', work, 'rt', 'df')
  else
    redis.call('HSET', work, 'rt', route, 'df', deferred)
    redis.call('HINCRBY', counters, route .. ' w', 1)
    if deferred == '1' then redis.call('HINCRBY', counters, route .. ' d', 1) end
  end
end
`

// script is one atomic change. Its Lua names KEYS and ARGV in a comment at the top.
type script struct{ *redis.Script }

func newScript(src string) script { return script{redis.NewScript(prelude + src)} }

// run runs a script whose effect need not outlive a crash of Redis by more than its own configuration gives.
func (s *Store) run(ctx context.Context, sc script, keys []string, args ...any) (any, error) {
	v, err := sc.Run(ctx, s.rdb, keys, args...).Result()
	if err != nil && err != redis.Nil {
		return nil, unavailable(err)
	}
	return v, nil
}

// commit runs a script and waits until its effect is as durable as the configuration promises: that is what a 2xx says.
func (s *Store) commit(ctx context.Context, sc script, keys []string, args ...any) (any, error) {
	if s.wait == waitNothing {
		return s.run(ctx, sc, keys, args...)
	}
	for again := true; ; again = false {
		var did *redis.Cmd
		var waited *redis.Cmd
		// One pipeline: WAIT and WAITAOF speak of the writes of their own connection.
		_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			did = sc.EvalSha(ctx, p, keys, args...)
			if s.wait == waitAOF {
				waited = p.Do(ctx, "WAITAOF", 1, 0, waitLimit.Milliseconds())
			} else {
				waited = p.Do(ctx, "WAIT", 1, waitLimit.Milliseconds())
			}
			return nil
		})
		if again && redis.HasErrorPrefix(did.Err(), "NOSCRIPT") {
			if err := sc.Load(ctx, s.rdb).Err(); err != nil {
				return nil, unavailable(err)
			}
			continue
		}
		if err != nil && err != redis.Nil {
			return nil, unavailable(err)
		}
		if !enough(waited.Val()) {
			return nil, &Unavailable{Err: fmt.Errorf("written, but not confirmed by disk or replica within %v", waitLimit)}
		}
		return did.Val(), nil
	}
}

// waitLimit is how long a commit waits for disk or replica before it says that it cannot promise.
const waitLimit = 3 * time.Second

// enough reads WAIT's count, or the first of WAITAOF's two.
func enough(v any) bool {
	if list, ok := v.([]any); ok && len(list) > 0 {
		v = list[0]
	}
	n, _ := v.(int64)
	return n >= 1
}

// Unavailable means that the store did not take what it was given: try again later. Nothing is known of whether it was written.
type Unavailable struct{ Err error }

func (u *Unavailable) Error() string { return "store: " + u.Err.Error() }

// Unwrap gives the cause.
func (u *Unavailable) Unwrap() error { return u.Err }

func unavailable(err error) error {
	if strings.Contains(err.Error(), "OOM") {
		return &Unavailable{Err: fmt.Errorf("the memory limit of Redis is reached: %w", err)}
	}
	return &Unavailable{Err: err}
}

func asInt(v any) int64 {
	n, _ := v.(int64)
	return n
}

func asString(v any) string {
	s, _ := v.(string)
	return s
}

func millis(t time.Time) int64 { return t.UnixMilli() }

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
