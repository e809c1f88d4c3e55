package mailer

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// poolKey is what two mails must have in common to share a connection.
type poolKey struct {
	route     string
	smarthost string
	ip        netip.Addr
	port      string
	tls       TLSMode
	user      string
	clear     bool   // opportunistic TLS had failed
	host      string // whose name the certificate was verified for
	demand    string // demand.key
}

// pool keeps open connections for the next mail. A kept connection lives on its timer: when it fires, the connection is closed, whether
// or not anybody asks again. The zero value is an empty pool.
type pool struct {
	mu     sync.Mutex
	idle   map[poolKey][]*session
	count  int
	closed bool
	byes   sync.WaitGroup // goodbyes under way; added to only while not closed
}

// take gives the connection used last, as it is the likeliest to live; nil = none.
func (p *pool) take(key poolKey) *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.idle[key]
	for len(list) > 0 {
		s := list[len(list)-1]
		list = list[:len(list)-1]
		p.count--
		if s.idle.Stop() {
			p.set(key, list)
			return s
		}
		// Its timer has fired and waits for the lock to close it.
	}
	p.set(key, list)
	return nil
}

// put keeps a connection; false = there is no room, and the caller closes it.
func (p *pool) put(key poolKey, s *session, limits Limits) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle[key]) >= limits.IdlePerHost || p.count >= maxIdle {
		return false
	}
	if p.idle == nil {
		p.idle = make(map[poolKey][]*session)
	}
	s.idle = time.AfterFunc(limits.Idle, func() { p.expire(key, s) })
	p.idle[key] = append(p.idle[key], s)
	p.count++
	return true
}

func (p *pool) expire(key poolKey, s *session) {
	p.mu.Lock()
	if i := slices.Index(p.idle[key], s); i >= 0 {
		p.set(key, slices.Delete(p.idle[key], i, i+1))
		p.count--
	}
	p.mu.Unlock()
	s.leave()
}

func (p *pool) set(key poolKey, list []*session) {
	if len(list) == 0 {
		delete(p.idle, key)
		return
	}
	p.idle[key] = list
}

// bye takes leave of a host that need not be waited for: the outcome is known, and a host may be slow to answer QUIT.
func (p *pool) bye(s *session) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		s.leave()
		return
	}
	p.byes.Go(s.leave)
	p.mu.Unlock()
}

// close says goodbye on all kept connections and keeps none from now on.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	var all []*session
	for _, list := range p.idle {
		for _, s := range list {
			if s.idle.Stop() {
				all = append(all, s)
			}
		}
	}
	p.idle, p.count = nil, 0
	p.mu.Unlock()
	var wg sync.WaitGroup
	for _, s := range all {
		wg.Go(s.leave)
	}
	wg.Wait()
	p.byes.Wait()
}
