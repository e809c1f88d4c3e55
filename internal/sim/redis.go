package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// redisTick is how often the clock of the Redis in memory is moved; a TTL runs out at most this much late.
const redisTick = 200 * time.Millisecond

type redisServer struct{ m *miniredis.Miniredis }

// startRedis starts a miniredis. It expires keys only when told that time has passed, so a ticker tells it what really
// passed. TIME is left on the real clock: the claims of a worker compare the two.
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
	return &redisServer{m}, nil
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
