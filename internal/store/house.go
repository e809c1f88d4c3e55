package store

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resetd/resetd/internal/ledger"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func atoi(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

// Hold is a pause of all sending, or of one route.
type Hold struct {
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// houseFacts bounds the list of facts that belong to no ledger.
const houseFacts = 10000

// KEYS 1 pause, 2 house facts · ARGV 1 route, 2 hold (” = resume), 3 fact, 4 facts kept. Holds or resumes a route and writes the fact, if
// that changes anything; returns 1 or 0.
var pauseScript = newScript(`
local changed
if ARGV[2] ~= '' then changed = redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
else changed = redis.call('HDEL', KEYS[1], ARGV[1]) end
if changed == 1 then
  redis.call('RPUSH', KEYS[2], ARGV[3])
  redis.call('LTRIM', KEYS[2], -ARGV[4], -1)
end
return changed`)

// Pause holds sending on a route; "" = on all. A pause that is in force already is left as it is; false says so.
func (s *Store) Pause(ctx context.Context, route string, h Hold) (bool, error) {
	body, err := json.Marshal(h)
	if err != nil {
		return false, err
	}
	return s.hold(ctx, route, body, ledger.Fact{ID: ledger.NewEventID(), At: h.Since, Event: ledger.Paused, By: h.By, Reason: h.Reason})
}

// Resume lets sending go on, on a route or ("") on all; false = it was not held.
func (s *Store) Resume(ctx context.Context, route, by, reason string) (bool, error) {
	return s.hold(ctx, route, nil, ledger.Fact{ID: ledger.NewEventID(), At: s.Now(), Event: ledger.Resumed, By: by, Reason: reason})
}

func (s *Store) hold(ctx context.Context, route string, body []byte, f ledger.Fact) (bool, error) {
	f.Delay = &ledger.Delay{Why: "paused", Route: route}
	rows, err := encode([]ledger.Fact{f})
	if err != nil {
		return false, err
	}
	v, err := s.commit(ctx, pauseScript, []string{pauseKey, houseKey}, route, body, rows[0], houseFacts)
	return asInt(v) == 1, err
}

// Holds gives the pauses in force by route; "" is the one of all sending.
func (s *Store) Holds(ctx context.Context) (map[string]Hold, error) {
	m, err := s.rdb.HGetAll(ctx, pauseKey).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	out := make(map[string]Hold, len(m))
	for route, body := range m {
		var h Hold
		if err := json.Unmarshal([]byte(body), &h); err != nil {
			h = Hold{Reason: "a pause that is not readable"}
		}
		out[route] = h
	}
	return out, nil
}

// WorkerAlive is how old a worker's last heartbeat may be; it beats every WorkerBeat.
const (
	WorkerAlive = 10 * time.Second
	WorkerBeat  = 2 * time.Second
)

// KEYS 1 workers · ARGV 1 name, 2 ms after which one is forgotten.
var aliveScript = newScript(`
redis.call('ZADD', KEYS[1], now(), ARGV[1])
local n = redis.call('ZCARD', KEYS[1])
if n > 1 then redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now() - ARGV[2]) end
return 1`)

// Alive is a worker's heartbeat. The last one stays known, so that one can say since when there is none.
func (s *Store) Alive(ctx context.Context, worker string) error {
	_, err := s.run(ctx, aliveScript, []string{workersKey}, worker, (24 * time.Hour).Milliseconds())
	return err
}

// Leave takes a worker off the list, keeping the time of its end.
func (s *Store) Leave(ctx context.Context, worker string) error {
	// The score is moved out of the window in which it would count as alive, and no further.
	at := s.Now().Add(-WorkerAlive)
	if err := s.rdb.ZAdd(ctx, workersKey, redis.Z{Score: float64(millis(at)), Member: worker}).Err(); err != nil {
		return unavailable(err)
	}
	return nil
}

// Workers says how many are alive and when the last heartbeat was; zero = never.
func (s *Store) Workers(ctx context.Context) (alive int, seen time.Time, err error) {
	z, err := s.rdb.ZRangeWithScores(ctx, workersKey, 0, -1).Result()
	if err != nil {
		return 0, time.Time{}, unavailable(err)
	}
	limit := s.Now().Add(-WorkerAlive)
	for _, w := range z {
		at := fromMillis(int64(w.Score))
		if at.After(limit) {
			alive++
		}
		if at.After(seen) {
			seen = at
		}
	}
	return alive, seen, nil
}

// SensorGap is how long a sensor may be silent before it counts as blind; it beats every SensorBeat.
const (
	SensorGap  = 30 * time.Second
	SensorBeat = 5 * time.Second
)

// KEYS 1 beats, 2 house facts · ARGV 1 sensor, 2 gap ms. Returns the ms of the last beat when it is longer ago than the gap, else 0.
var beatScript = newScript(`
local t = now()
local last = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
redis.call('HSET', KEYS[1], ARGV[1], t)
if last > 0 and t - last > tonumber(ARGV[2]) then return last end
return 0`)

// Beat is a sensor's heartbeat: a part that makes facts says that it sees. One that was silent for longer than SensorGap leaves a
// SensorLost and a SensorBack, so that a verdict can say what could not be seen.
func (s *Store) Beat(ctx context.Context, sensor string) error {
	v, err := s.run(ctx, beatScript, []string{beatsKey, houseKey}, sensor, SensorGap.Milliseconds())
	if err != nil {
		return err
	}
	last := asInt(v)
	if last == 0 {
		return nil
	}
	rows, err := encode([]ledger.Fact{
		{ID: ledger.NewEventID(), At: fromMillis(last), Event: ledger.SensorLost, Sensor: &ledger.Sensor{Name: sensor}},
		{ID: ledger.NewEventID(), At: s.Now(), Event: ledger.SensorBack, Sensor: &ledger.Sensor{Name: sensor}},
	})
	if err != nil {
		return err
	}
	_, err = s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.RPush(ctx, houseKey, rows...)
		p.LTrim(ctx, houseKey, -houseFacts, -1)
		return nil
	})
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// NoteSensor writes that a source of facts went blind, or sees again, where it is not its own heartbeat that tells: at is since when. What
// is known already is not written again.
func (s *Store) NoteSensor(ctx context.Context, sensor string, at time.Time, sees bool) error {
	_, blind, err := s.House(ctx)
	if err != nil {
		return err
	}
	is := slices.ContainsFunc(blind, func(b Blind) bool { return b.Sensor == sensor && b.To.IsZero() })
	if is != sees {
		return nil
	}
	f := ledger.Fact{ID: ledger.NewEventID(), At: at, Event: ledger.SensorLost, Sensor: &ledger.Sensor{Name: sensor}}
	if sees {
		f.Event = ledger.SensorBack
	}
	return s.NoteHouse(ctx, f)
}

// Forget takes a sensor off the list: it is not configured any more, or ended by itself with nothing left to see. One that is off the
// list is not blind.
func (s *Store) Forget(ctx context.Context, sensor string) error {
	if err := s.rdb.HDel(ctx, beatsKey, sensor).Err(); err != nil {
		return unavailable(err)
	}
	return nil
}

// ReturnSensor begins the name of the way back for bounces of one route, as loop checks see it: "return:ROUTE".
const ReturnSensor = "return:"

// Blind is a time in which a sensor could not see; a zero To means still.
type Blind struct {
	Sensor   string
	From, To time.Time
}

// House reads what concerns the whole installation: the facts of no ledger, and the sensors that are silent now.
func (s *Store) House(ctx context.Context) (facts []ledger.Fact, blind []Blind, err error) {
	rows, err := s.rdb.LRange(ctx, houseKey, -1000, -1).Result()
	if err != nil {
		return nil, nil, unavailable(err)
	}
	if facts, err = decode(rows); err != nil {
		return nil, nil, err
	}
	lost := map[string]time.Time{}
	for _, f := range facts {
		if f.Sensor == nil {
			continue
		}
		switch f.Event {
		case ledger.SensorLost:
			lost[f.Sensor.Name] = f.At
		case ledger.SensorBack:
			if from, ok := lost[f.Sensor.Name]; ok {
				blind = append(blind, Blind{Sensor: f.Sensor.Name, From: from, To: f.At})
				delete(lost, f.Sensor.Name)
			}
		}
	}
	beats, err := s.rdb.HGetAll(ctx, beatsKey).Result()
	if err != nil {
		return nil, nil, unavailable(err)
	}
	for sensor, from := range lost {
		// A sensor with a heartbeat tells by it whether it is still blind.
		if _, beating := beats[sensor]; !beating && strings.HasPrefix(sensor, ReturnSensor) {
			blind = append(blind, Blind{Sensor: sensor, From: from})
		}
	}
	limit := s.Now().Add(-SensorGap)
	for sensor, ms := range beats {
		if at := fromMillis(atoi(ms)); at.Before(limit) {
			blind = append(blind, Blind{Sensor: sensor, From: at})
		}
	}
	return facts, blind, nil
}

// Since is when this installation's records begin: the first start on this store.
func (s *Store) Since(ctx context.Context) (time.Time, error) {
	now := s.Now()
	if err := s.rdb.SetNX(ctx, sinceKey, millis(now), 0).Err(); err != nil {
		return time.Time{}, unavailable(err)
	}
	ms, err := s.rdb.Get(ctx, sinceKey).Int64()
	if err != nil {
		return time.Time{}, unavailable(err)
	}
	return fromMillis(ms), nil
}

// Sweep says whether the caller is the one to reconcile for the next while; it must be much longer than a sweep takes.
func (s *Store) Sweep(ctx context.Context, who string, hold time.Duration) (bool, error) {
	v, err := s.run(ctx, sweepScript, []string{sweepKey}, who, hold.Milliseconds())
	return asInt(v) == 1, err
}

// KEYS 1 sweep · ARGV 1 who, 2 hold ms.
var sweepScript = newScript(`
local has = redis.call('GET', KEYS[1])
if has and has ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`)

// tookMost is how many pairs of a route and a provider are remembered; those that took a mail longest ago are forgotten first.
const tookMost = 20000

// RouteWorks remembers that a host took a mail by a route at a time; provider is whose host it is, "" = the route's own relay.
func (s *Store) RouteWorks(ctx context.Context, route, provider string, at time.Time) error {
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.HSet(ctx, workedKey, route, millis(at))
		if provider != "" {
			p.ZAdd(ctx, tookKey, redis.Z{Score: float64(millis(at)), Member: route + " " + provider})
			p.ZRemRangeByRank(ctx, tookKey, 0, -tookMost-1)
		}
		return nil
	})
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// RouteWorked says when a host last took a mail by a route; a provider restricts it to that one's hosts. Zero = never, or not within memory.
func (s *Store) RouteWorked(ctx context.Context, route, provider string) (time.Time, error) {
	if provider != "" {
		ms, err := s.rdb.ZScore(ctx, tookKey, route+" "+provider).Result()
		if err != nil && err != redis.Nil {
			return time.Time{}, unavailable(err)
		}
		return fromMillis(int64(ms)), nil
	}
	ms, err := s.rdb.HGet(ctx, workedKey, route).Int64()
	if err != nil && err != redis.Nil {
		return time.Time{}, unavailable(err)
	}
	return fromMillis(ms), nil
}
