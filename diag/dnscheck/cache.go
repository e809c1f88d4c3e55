package dnscheck

import (
	"context"
	"sync"
	"time"
)

// Cache keeps answers for as long as their TTL allows, for callers that look at the same domain with every mail. Failures are
// not kept. A check should ask DNS itself, so that people see what is published now. It is safe for concurrent use; fields
// are set before the first Lookup.
type Cache struct {
	DNS DNS
	// Now is the time by which answers age. nil = time.Now.
	Now func() time.Time
	// Max answers kept; the zero value means 10,000.
	Max int

	mu   sync.Mutex
	kept map[sessionKey]cached
}

type cached struct {
	answer Answer
	until  time.Time
}

const (
	// maxCacheTTL bounds how long a change can stay unseen.
	maxCacheTTL = 10 * time.Minute
	// negativeTTL is how long an absent record stays absent for us: short, as people wait for what they just published.
	negativeTTL = time.Minute
)

// Lookup implements DNS.
func (c *Cache) Lookup(ctx context.Context, name string, qtype uint16) Answer {
	now := time.Now
	if c.Now != nil {
		now = c.Now
	}
	key := sessionKey{foldName(name), qtype}
	c.mu.Lock()
	e, ok := c.kept[key]
	c.mu.Unlock()
	if ok && now().Before(e.until) {
		return e.answer
	}
	a := c.DNS.Lookup(ctx, name, qtype)
	if a.Outcome.Temporary() {
		return a
	}
	ttl := min(a.TTL, maxCacheTTL)
	if a.Outcome != Found {
		ttl = negativeTTL
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil {
		c.kept = map[sessionKey]cached{}
	}
	if _, there := c.kept[key]; !there && len(c.kept) >= or(c.Max, 10000) {
		c.makeRoom(now())
	}
	c.kept[key] = cached{a, now().Add(ttl)}
	return a
}

// makeRoom drops what has aged out, and if that is nothing, any one answer.
func (c *Cache) makeRoom(now time.Time) {
	before := len(c.kept)
	for k, e := range c.kept {
		if !now.Before(e.until) {
			delete(c.kept, k)
		}
	}
	if len(c.kept) < before {
		return
	}
	for k := range c.kept {
		delete(c.kept, k)
		return
	}
}
