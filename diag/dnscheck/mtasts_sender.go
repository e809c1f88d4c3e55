package dnscheck

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"
)

// STSCached is a policy as a sender keeps it between mails. The zero value is nothing kept.
type STSCached struct {
	ID      string    `json:"id,omitempty"` // of the TXT record at the time
	Policy  STSPolicy `json:"policy"`
	Fetched time.Time `json:"fetched,omitzero"` // zero = never yet

	// Of the last fetch that failed: it is not tried again at once, and what was kept before it stays.
	Tried   time.Time `json:"tried,omitzero"`
	TriedID string    `json:"tried_id,omitempty"`
	Why     string    `json:"why,omitempty"`
}

// Valid reports whether the policy still binds the sender, whatever DNS says meanwhile: an attacker who suppresses the TXT
// record must not switch it off (RFC 8461 section 3.3).
func (c STSCached) Valid(now time.Time) bool {
	return !c.Fetched.IsZero() && now.Before(c.Fetched.Add(c.Policy.MaxAge))
}

// Stale reports whether a new policy should be fetched: the record's id changed, or the policy is no longer valid, or it is a day old and
// should not be left to run out (section 3.3: refresh before it does). While a fetch fails, a valid policy stays in force.
func (c STSCached) Stale(id string, now time.Time) bool {
	return !c.Valid(now) || id != "" && (id != c.ID || now.Sub(c.Fetched) >= stsRefresh)
}

// Keep is how long there is anything worth keeping, from now.
func (c STSCached) Keep(now time.Time) time.Duration {
	keep := c.Tried.Add(stsRetry).Sub(now)
	if c.Valid(now) {
		keep = max(keep, c.Fetched.Add(c.Policy.MaxAge).Sub(now))
	}
	return max(keep, 0)
}

const (
	// stsRetry is how long a fetch that failed is not repeated for the same id (RFC 8461 section 3.3 advises five minutes or more).
	stsRetry = 5 * time.Minute
	// stsRefresh is the age at which a valid policy is fetched anew.
	stsRefresh = 24 * time.Hour
)

// STSKeeper keeps policies between mails, for all workers. What cannot be read counts as not kept.
type STSKeeper interface {
	STSPolicy(ctx context.Context, domain string) (STSCached, error)
	KeepSTSPolicy(ctx context.Context, domain string, c STSCached) error
}

// STSSender finds which MTA-STS policy a mail is sent under. Fields are set before the first use; it is safe for concurrent use.
type STSSender struct {
	DNS  DNS
	HTTP *http.Client     // fetches policies, see PolicyClient; nil = only what is kept is in force
	Kept STSKeeper        // nil = nothing is kept
	Now  func() time.Time // nil = time.Now

	mu      sync.Mutex
	pending map[string]*stsFetch // guarded by mu; domain -> the fetch under way, so that a hundred mails at once make one
}

type stsFetch struct {
	done chan struct{}
	got  STSCached
}

// STSInForce is the policy that a mail is sent under.
type STSInForce struct {
	Policy *STSPolicy // nil = none is in force
	ID     string
	// Why says what became of the look-up, where that is no policy, or where a policy that was kept has to do.
	Why string
}

// InForce gives the policy for a mail to domain, as RFC 8461 section 5 asks of a sender: what was kept and is valid binds, unless the record
// shows another id and the new policy can be fetched; a policy that nobody can fetch and that was never kept binds nobody.
func (s *STSSender) InForce(ctx context.Context, domain string) STSInForce {
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	domain = foldName(domain)
	var kept STSCached
	if s.Kept != nil {
		if c, err := s.Kept.STSPolicy(ctx, domain); err == nil {
			kept = c
		}
	}
	record := stsRecord(ctx, s.DNS, domain)
	why := record.Why
	if record.Status == STSNotFetched && s.HTTP != nil && kept.Stale(record.ID, now()) {
		if kept.TriedID != record.ID || now().Sub(kept.Tried) >= stsRetry {
			kept = s.fetch(ctx, domain, record.ID, kept, now)
			if kept.ID == record.ID && now().Sub(kept.Fetched) < stsRetry && kept.Tried.IsZero() {
				return STSInForce{Policy: &kept.Policy, ID: kept.ID} // just fetched; it binds this mail even with max_age 0
			}
		}
		why = kept.Why
	}
	if !kept.Valid(now()) {
		return STSInForce{Why: why}
	}
	out := STSInForce{Policy: &kept.Policy, ID: kept.ID}
	if record.Status != STSNotFetched || kept.ID != record.ID {
		out.Why = "the policy of before is in force until it runs out: " + why
	}
	return out
}

// fetch brings the policy that goes with a new id and keeps it, or keeps that this failed.
func (s *STSSender) fetch(ctx context.Context, domain, id string, kept STSCached, now func() time.Time) STSCached {
	s.mu.Lock()
	if f, ok := s.pending[domain]; ok {
		s.mu.Unlock()
		select {
		case <-f.done:
			return f.got
		case <-ctx.Done():
			return kept
		}
	}
	f := &stsFetch{done: make(chan struct{})}
	if s.pending == nil {
		s.pending = map[string]*stsFetch{}
	}
	s.pending[domain] = f
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.pending, domain)
		s.mu.Unlock()
		close(f.done)
	}()
	// Others may wait for this fetch, so it does not end with one mail; the client bounds it, and so do we.
	one, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	p, err := fetchPolicy(one, s.HTTP, domain)
	f.got = STSCached{ID: id, Policy: p, Fetched: now()}
	if err != nil {
		f.got = s.newest(one, domain, kept)
		if f.got.Fetched.After(kept.Fetched) && f.got.ID == id {
			return f.got // another worker was luckier meanwhile: its policy is not overwritten
		}
		f.got.Tried, f.got.TriedID, f.got.Why = now(), id, strings.TrimPrefix(err.Error(), "dnscheck: ")
	}
	if s.Kept != nil {
		_ = s.Kept.KeepSTSPolicy(one, domain, f.got) // what is not kept is fetched again for the next mail
	}
	return f.got
}

// newest gives what is kept by now, or kept where that is nothing newer.
func (s *STSSender) newest(ctx context.Context, domain string, kept STSCached) STSCached {
	if s.Kept == nil {
		return kept
	}
	if c, err := s.Kept.STSPolicy(ctx, domain); err == nil && c.Fetched.After(kept.Fetched) {
		return c
	}
	return kept
}
