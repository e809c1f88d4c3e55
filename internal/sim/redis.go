package sim

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// How often the clock of the Redis in memory is moved: a TTL runs out at most redisTick late, and TIME, once Advance has
// parted it from the real clock, is at most clockTick behind.
const (
	redisTick = 200 * time.Millisecond
	clockTick = 5 * time.Millisecond
)

type redisServer struct {
	m       *miniredis.Miniredis
	parted  sync.Once  // from when on TIME is told
	telling sync.Mutex // held from reading the world's time until TIME is told: else an old time could be told after a new one
}

func (r *redisServer) tell(w *World) {
	r.telling.Lock()
	defer r.telling.Unlock()
	r.m.SetTime(w.Now().Add(time.Duration(w.stepped.Load())))
}

// startRedis starts a miniredis. It expires keys only when told that time has passed, so a ticker tells it what really
// passed. TIME is the real clock until Advance is called.
func (w *World) startRedis() (*redisServer, error) {
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		return nil, fmt.Errorf("sim: Redis in memory: %w", err)
	}
	w.run(func(ctx context.Context) {
		t := time.NewTicker(redisTick)
		defer t.Stop()
		last := time.Now()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				now := time.Now()
				m.FastForward(now.Sub(last))
				last = now
			}
		}
	})
	return &redisServer{m: m}, nil
}

// Now is the world's time: the real one, and what Advance has added.
func (w *World) Now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

// Advance lets time pass at once, for hosts that remember when something was and for the Redis in memory: its TIME and its
// TTLs. d may be negative before anything has happened in the world. Delays that are under way (a bounce that is booked) stay real.
func (w *World) Advance(d time.Duration) {
	w.ahead.Add(int64(d))
	if w.redis != nil && d > 0 {
		defer w.redis.m.FastForward(d)
	}
	w.part()
}

// StepRedis moves the clock of the Redis in memory alone, forwards or back, as when somebody sets that machine's time. Its TTLs are
// counted by another clock and stay.
func (w *World) StepRedis(d time.Duration) {
	w.stepped.Add(int64(d))
	w.part()
}

// part tells Redis its time, and from now on again and again.
func (w *World) part() {
	if w.redis == nil {
		return
	}
	w.redis.tell(w)
	w.redis.parted.Do(func() {
		w.run(func(ctx context.Context) {
			for sleep(ctx, clockTick) {
				w.redis.tell(w)
			}
		})
	})
}

// Redis is the host:port of the Redis in memory; "" in a world without one.
func (w *World) Redis() string {
	if w.redis == nil {
		return ""
	}
	return w.redis.m.Addr()
}

// BreakRedis makes every command fail with this text, such as "OOM command not allowed when used memory > 'maxmemory'."; ""
// heals it. Without WithRedis it does nothing.
func (w *World) BreakRedis(text string) {
	if w.redis != nil {
		w.redis.m.SetError(text)
	}
}
