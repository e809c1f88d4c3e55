package dnscheck

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/miekg/dns"
)

// session is the DNS of one check: it asks each question once, so that DNS that changes its mind cannot give a report
// that contradicts itself, bounds the number of questions, and remembers the answers for the report.
type session struct {
	dns   DNS
	limit int

	mu   sync.Mutex
	seen map[sessionKey]*sessionEntry
}

type sessionKey struct {
	name  string
	qtype uint16
}

type sessionEntry struct {
	once   sync.Once
	answer Answer
}

func newSession(resolver DNS, limit int) *session {
	return &session{dns: resolver, limit: limit, seen: map[sessionKey]*sessionEntry{}}
}

// Lookup implements DNS.
func (s *session) Lookup(ctx context.Context, name string, qtype uint16) Answer {
	key := sessionKey{foldName(name), qtype}
	s.mu.Lock()
	e := s.seen[key]
	if e == nil {
		if len(s.seen) == s.limit {
			s.mu.Unlock()
			return Answer{Name: key.name, Type: qtype, Outcome: Spent, Why: "this check has used up its look-ups"}
		}
		e = &sessionEntry{}
		s.seen[key] = e
	}
	s.mu.Unlock()
	e.once.Do(func() { e.answer = s.dns.Lookup(ctx, name, qtype) })
	return e.answer
}

// lookups are all answers, ordered by name and type.
func (s *session) lookups() []Lookup {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Lookup, 0, len(s.seen))
	for _, e := range s.seen {
		e.once.Do(func() {}) // waits for one that is under way
		if e.answer.Outcome != "" {
			list = append(list, e.answer.lookup())
		}
	}
	slices.SortFunc(list, func(a, b Lookup) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type))
	})
	return list
}

// addresses looks up A and AAAA; failed is the answer of a family for which DNS failed, if neither gave an address.
func addresses(ctx context.Context, resolver DNS, host string) (list []Answer, failed *Answer) {
	found := false
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		a := resolver.Lookup(ctx, host, qtype)
		list = append(list, a)
		found = found || a.Outcome == Found
		if a.Outcome.Temporary() && failed == nil {
			failed = &a
		}
	}
	if found {
		failed = nil
	}
	return list, failed
}
