package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resetd/resetd/internal/ledger"
)

// Queue is how the work stands.
type Queue struct {
	Due       int           // due and unclaimed
	Waiting   int           // booked for later
	InFlight  int           // claimed
	OldestDue time.Duration // how long the oldest due work has waited; 0 = none is due
	Returns   int           // returned mails still to be read
	Routes    []RouteQueue
}

// RouteQueue is how it stands on one route; "-" is what has not yet been given one.
type RouteQueue struct {
	Route    string
	Waiting  int // open, whether due, booked or in flight
	Deferred int // of those, put off by a host
}

// Status counts the work in all partitions.
func (s *Store) Status(ctx context.Context) (Queue, error) {
	now := s.Now()
	at := itoa(millis(now))
	type row struct {
		due, all, leased, returns *redis.IntCmd
		first                     *redis.ZSliceCmd
		routes                    *redis.MapStringStringCmd
	}
	rows := make([]row, ledger.Partitions)
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range rows {
			rows[i] = row{
				due: p.ZCount(ctx, dueKey(i, Deliver), "-inf", at), all: p.ZCard(ctx, dueKey(i, Deliver)),
				leased: p.ZCount(ctx, leaseKey(i, Deliver), "("+at, "+inf"), returns: p.ZCard(ctx, dueKey(i, Digest)),
				first: p.ZRangeWithScores(ctx, dueKey(i, Deliver), 0, 0), routes: p.HGetAll(ctx, routeKey(i)),
			}
		}
		return nil
	})
	if err != nil {
		return Queue{}, unavailable(err)
	}
	var q Queue
	routes := map[string]*RouteQueue{}
	for _, r := range rows {
		q.Due += int(r.due.Val())
		q.InFlight += int(r.leased.Val())
		q.Waiting += int(r.all.Val() - r.due.Val() - r.leased.Val())
		q.Returns += int(r.returns.Val())
		if z := r.first.Val(); len(z) == 1 {
			if age := now.Sub(fromMillis(int64(z[0].Score))); age > q.OldestDue {
				q.OldestDue = age
			}
		}
		for f, n := range r.routes.Val() {
			name, what, _ := strings.Cut(f, " ")
			if routes[name] == nil {
				routes[name] = &RouteQueue{Route: name}
			}
			if what == "w" {
				routes[name].Waiting += int(atoi(n))
			} else {
				routes[name].Deferred += int(atoi(n))
			}
		}
	}
	q.Waiting = max(0, q.Waiting)
	for _, r := range routes {
		q.Routes = append(q.Routes, *r)
	}
	slices.SortFunc(q.Routes, func(a, b RouteQueue) int { return strings.Compare(a.Route, b.Route) })
	return q, nil
}

// Add counts something for /metrics, over all processes and restarts.
func (s *Store) Add(ctx context.Context, counter string, n int64) error {
	if err := s.rdb.HIncrBy(ctx, countersKey, counter, n).Err(); err != nil {
		return unavailable(err)
	}
	return nil
}

// Counters gives all that was counted.
func (s *Store) Counters(ctx context.Context) (map[string]int64, error) {
	m, err := s.rdb.HGetAll(ctx, countersKey).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	out := make(map[string]int64, len(m))
	for k, v := range m {
		out[k] = atoi(v)
	}
	return out, nil
}
