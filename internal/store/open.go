package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Open makes a client for a store URL: redis://, rediss:// or unix://. It connects when it is first used. Keys are laid out for
// Cluster; redis+sentinel:// and redis+cluster:// are known names that this version does not open.
func Open(rawURL string) (redis.UniversalClient, error) {
	switch scheme, _, _ := strings.Cut(rawURL, "://"); scheme {
	case "redis+sentinel", "redis+cluster":
		return nil, fmt.Errorf("store: %s is not opened by this version; give the address of one Redis 7 server (redis://HOST:PORT/0)", scheme)
	case "redis", "rediss", "unix":
	default:
		return nil, errors.New("store: not a Redis URL; try redis://HOST:PORT/0")
	}
	o, err := redis.ParseURL(rawURL)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // the URL itself may hold a password
		}
		return nil, fmt.Errorf("store: %w", err)
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = 3*time.Second, 5*time.Second, 5*time.Second
	o.PoolSize = max(o.PoolSize, 32)
	o.ContextTimeoutEnabled = true
	return redis.NewClient(o), nil
}

// SkewLimit is how far our clock may be from Redis' before start-up is refused.
const SkewLimit = 30 * time.Second

// Finding is what a check of the server saw.
type Finding struct {
	Refuse bool   // start-up is refused; else a loud warning
	What   string // a sentence
	Try    string // what to do
}

// Check asks the server whether it can keep what the configuration promises (DESIGN.md, promise 8), and prepares the store for that. An
// error means that it could not be asked.
func (s *Store) Check(ctx context.Context, durability string) ([]Finding, error) {
	info, err := s.info(ctx)
	if err != nil {
		return nil, err
	}
	var out []Finding
	refuse := func(what, try string) { out = append(out, Finding{true, what, try}) }
	warn := func(what, try string) { out = append(out, Finding{false, what, try}) }

	version := info["redis_version"]
	major, minor := versionOf(version)
	if major < 6 || major == 6 && minor < 2 {
		refuse("Redis "+version+" is too old.", "Use Redis 7 or Valkey.")
	}
	if policy := s.setting(ctx, info, "maxmemory-policy", "maxmemory_policy"); policy != "noeviction" && policy != "" {
		refuse("Redis evicts keys when memory is short (maxmemory-policy "+policy+"): accepted resets would vanish without a word.", "Set maxmemory-policy noeviction.")
	}
	aof := info["aof_enabled"] == "1"
	fsync := s.setting(ctx, info, "appendfsync", "")
	switch durability {
	case "memory":
		if !aof && s.setting(ctx, info, "save", "") == "" {
			warn("Redis keeps nothing on disk: a restart of it loses every reset that is under way.", "Set appendonly yes, or accept the loss.")
		}
	case "replica":
		if n, _ := strconv.Atoi(info["connected_slaves"]); n < 1 {
			refuse("durability = \"replica\", and no replica is connected.", "Connect a replica, or set durability = \"fsync\".")
		}
	default:
		switch {
		case !aof:
			refuse("durability = \"fsync\", and Redis keeps no append-only file.", "Set appendonly yes, or durability = \"memory\".")
		case fsync == "always":
		case major > 7 || major == 7 && minor >= 2:
			s.wait = waitAOF
		default:
			refuse("durability = \"fsync\", and Redis "+version+" flushes its file only every second (appendfsync "+orUnknown(fsync)+"); WAITAOF needs 7.2.", "Set appendfsync always, or durability = \"memory\".")
		}
	}
	ahead, err := s.SyncClock(ctx)
	if err != nil {
		return nil, err
	}
	if skew := ahead.Abs(); skew > SkewLimit {
		refuse(fmt.Sprintf("Redis' clock is %v %s ours.", skew.Round(time.Second), aheadOrBehind(ahead)), "Let both machines keep time by NTP.")
	} else if skew > 2*time.Second {
		warn(fmt.Sprintf("Redis' clock is %v %s ours; resetd uses Redis'.", skew.Round(100*time.Millisecond), aheadOrBehind(ahead)), "Let both machines keep time by NTP.")
	}
	if err := s.rdb.Set(ctx, probeKey, s.Now().Format(time.RFC3339), time.Minute).Err(); err != nil {
		refuse("Redis takes no writes: "+err.Error(), "Give resetd a server that is no replica and has memory and disk left.")
	}
	if s.nearlyFull(info) {
		refuse("Redis' memory is nearly full: used_memory is above nine tenths of maxmemory.", "Raise maxmemory.")
	}
	return out, nil
}

func aheadOrBehind(d time.Duration) string {
	if d < 0 {
		return "behind"
	}
	return "ahead of"
}

func orUnknown(s string) string {
	if s == "" {
		return "not known"
	}
	return s
}

// Watch keeps the clock and the memory in sight; call it every few seconds. Near its memory limit the store accepts nothing new, so
// that what it has accepted can still be finished.
func (s *Store) Watch(ctx context.Context) error {
	if _, err := s.SyncClock(ctx); err != nil {
		return err
	}
	info, err := s.info(ctx)
	if err != nil {
		return err
	}
	s.full.Store(s.nearlyFull(info))
	return nil
}

// Ping says whether the store answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.rdb.Ping(ctx).Err(); err != nil {
		return unavailable(err)
	}
	if s.full.Load() {
		return &Unavailable{Err: ErrFull}
	}
	return nil
}

func (s *Store) nearlyFull(info map[string]string) bool {
	used, limit := atoi(info["used_memory"]), atoi(info["maxmemory"])
	return limit > 0 && used*10 > limit*9
}

// info reads INFO as a map.
func (s *Store) info(ctx context.Context) (map[string]string, error) {
	text, err := s.rdb.Info(ctx).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	m := map[string]string{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			m[k] = v
		}
	}
	return m, nil
}

// setting reads a setting by CONFIG GET or, where a hosted server forbids that, from INFO.
func (s *Store) setting(ctx context.Context, info map[string]string, name, inInfo string) string {
	if m, err := s.rdb.ConfigGet(ctx, name).Result(); err == nil && m[name] != "" {
		return m[name]
	}
	return info[inInfo]
}

func versionOf(v string) (major, minor int) {
	a, rest, _ := strings.Cut(v, ".")
	b, _, _ := strings.Cut(rest, ".")
	major, _ = strconv.Atoi(a)
	minor, _ = strconv.Atoi(b)
	return major, minor
}
