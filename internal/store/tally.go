package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/redis/go-redis/v9"
)

// The tally holds how many mails there were and how many failed, in slices of time and by what they have in common. It is statistics: a process
// that dies loses its last seconds of it, and nothing else. No login and no address stands in it.

// How long and how much of the tally is kept.
const (
	tallyFor    = 25 * time.Hour
	failingFor  = 48 * time.Hour
	failingMost = 20000
	opensFor    = 8 * 24 * time.Hour
	opensSlice  = time.Hour
)

// Tallied is what was counted: field -> number. The fields are the caller's; they hold no newline.
type Tallied map[string]int64

// Tally adds to the counts of a slice.
func (s *Store) Tally(ctx context.Context, start time.Time, counts Tallied) error {
	return s.tally(ctx, tallyKey(start), counts, tallyFor)
}

func (s *Store) tally(ctx context.Context, key string, counts Tallied, keep time.Duration) error {
	if len(counts) == 0 {
		return nil
	}
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for f, n := range counts {
			p.HIncrBy(ctx, key, f, n)
		}
		p.PExpire(ctx, key, keep)
		return nil
	})
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// Tallies reads the slices that begin in [from, to] and have counts, by their beginning.
func (s *Store) Tallies(ctx context.Context, from, to time.Time, slice time.Duration) (map[time.Time]Tallied, error) {
	return s.tallies(ctx, from, to, slice, tallyKey)
}

func (s *Store) tallies(ctx context.Context, from, to time.Time, slice time.Duration, key func(time.Time) string) (map[time.Time]Tallied, error) {
	cmds := map[time.Time]*redis.MapStringStringCmd{}
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for t := from.Truncate(slice); !t.After(to); t = t.Add(slice) {
			cmds[t] = p.HGetAll(ctx, key(t))
		}
		return nil
	})
	if err != nil {
		return nil, unavailable(err)
	}
	out := map[time.Time]Tallied{}
	for t, c := range cmds {
		if len(c.Val()) == 0 {
			continue
		}
		out[t] = Tallied{}
		for f, n := range c.Val() {
			out[t][f] = atoi(n)
		}
	}
	return out, nil
}

// TallyOpens counts accepted mails, and resets whose link was first visited, by provider, in the hour in which the mail was accepted.
func (s *Store) TallyOpens(ctx context.Context, accepted time.Time, counts Tallied) error {
	return s.tally(ctx, opensKey(accepted.Truncate(opensSlice)), counts, opensFor)
}

// Opens adds up what TallyOpens counted of mails accepted in [from, to).
func (s *Store) Opens(ctx context.Context, from, to time.Time) (Tallied, error) {
	hours, err := s.tallies(ctx, from, to.Add(-opensSlice), opensSlice, opensKey)
	if err != nil {
		return nil, err
	}
	sum := Tallied{}
	for _, h := range hours {
		for f, n := range h {
			sum[f] += n
		}
	}
	return sum, nil
}

// Row is a failing mail as the store keeps it: Text is the caller's, and the same text again only moves its time.
type Row struct {
	At   time.Time
	Text string
}

// MarkFailing keeps failing mails, at most failingMost of the last 48 hours.
func (s *Store) MarkFailing(ctx context.Context, rows []Row) error {
	if len(rows) == 0 {
		return nil
	}
	z := make([]redis.Z, len(rows))
	for i, r := range rows {
		z[i] = redis.Z{Score: float64(millis(r.At)), Member: r.Text}
	}
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.ZAdd(ctx, failingKey, z...)
		p.ZRemRangeByScore(ctx, failingKey, "-inf", itoa(millis(s.Now().Add(-failingFor))))
		p.ZRemRangeByRank(ctx, failingKey, 0, -failingMost-1)
		p.PExpire(ctx, failingKey, failingFor)
		return nil
	})
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// FailingSince reads the failing mails since a moment, oldest first.
func (s *Store) FailingSince(ctx context.Context, from time.Time) ([]Row, error) {
	z, err := s.rdb.ZRangeByScoreWithScores(ctx, failingKey, &redis.ZRangeBy{Min: itoa(millis(from)), Max: "+inf"}).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	out := make([]Row, len(z))
	for i, x := range z {
		out[i] = Row{At: fromMillis(int64(x.Score)), Text: asString(x.Member)}
	}
	return out, nil
}

// incidentsKept is how many incidents are remembered.
const incidentsKept = 200

// KeepIncident writes an incident under its id; the oldest beyond incidentsKept are forgotten.
func (s *Store) KeepIncident(ctx context.Context, id string, since time.Time, body json.RawMessage) error {
	_, err := s.run(ctx, incidentScript, []string{incidentsKey, incidentOrderKey}, id, millis(since), []byte(body), incidentsKept)
	return err
}

// KEYS 1 incidents, 2 their order · ARGV 1 id, 2 since ms, 3 body, 4 most.
var incidentScript = newScript(`
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -ARGV[4] - 1)) do
  redis.call('HDEL', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
end
return 1`)

// Incidents reads all that are remembered, the newest first.
func (s *Store) Incidents(ctx context.Context) ([]json.RawMessage, error) {
	ids, err := s.rdb.ZRevRange(ctx, incidentOrderKey, 0, -1).Result()
	if err != nil || len(ids) == 0 {
		if err != nil {
			err = unavailable(err)
		}
		return nil, err
	}
	bodies, err := s.rdb.HMGet(ctx, incidentsKey, ids...).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	out := make([]json.RawMessage, 0, len(bodies))
	for _, b := range bodies {
		if text := asString(b); text != "" {
			out = append(out, json.RawMessage(text))
		}
	}
	return out, nil
}

// Heard notes that a provider told an event, at its own time.
func (s *Store) Heard(ctx context.Context, provider string, at time.Time) error {
	_, err := s.run(ctx, heardScript, []string{heardKey}, provider, millis(at))
	return err
}

// KEYS 1 heard · ARGV 1 provider, 2 ms. Events come out of order: only a later one counts.
var heardScript = newScript(`
if tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0') < tonumber(ARGV[2]) then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
return 1`)

// LastHeard gives, by provider, the time of the newest event.
func (s *Store) LastHeard(ctx context.Context) (map[string]time.Time, error) {
	m, err := s.rdb.HGetAll(ctx, heardKey).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	out := make(map[string]time.Time, len(m))
	for p, ms := range m {
		out[p] = fromMillis(atoi(ms))
	}
	return out, nil
}

// KeepComparison keeps what was worked out from the tally, so that whoever asks why need not read it all.
func (s *Store) KeepComparison(ctx context.Context, body json.RawMessage) error {
	if err := s.rdb.Set(ctx, comparisonKey, []byte(body), time.Hour).Err(); err != nil {
		return unavailable(err)
	}
	return nil
}

// Comparison reads it; nil = none was made of late.
func (s *Store) Comparison(ctx context.Context) (json.RawMessage, error) {
	b, err := s.rdb.Get(ctx, comparisonKey).Bytes()
	if err == redis.Nil {
		return nil, nil
	}
	if err != nil {
		return nil, unavailable(err)
	}
	return b, nil
}
