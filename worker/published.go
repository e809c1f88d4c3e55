package worker

import (
	"context"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/ledger"
)

// What DNS says when a mail leaves is looked at beside the sending, never in its way: a clock reads the records that a send is judged by
// as often as their TTLs let a receiver read them, and each mail notes the hash of the last reading. One mail a second at most is verified
// as a receiver would.
const (
	verifyAt  = time.Second
	readingOK = 2 * time.Minute // older readings are not noted with a mail
	keepAgain = time.Hour       // how often a reading that stays the same has its life renewed
)

// lastRead is what DNS said about a domain at a time.
type lastRead struct {
	said     dnscheck.Reading
	hash     string
	at, kept time.Time
	noted    bool // it was compared with what any worker saw before
}

// readDNS reads the records of each domain and keeps what is new. A change makes the domain due for a check at once.
func (w *Worker) readDNS(ctx context.Context) {
	if w.DNS.DNS == nil {
		return
	}
	for _, q := range w.Domains {
		deps := w.DNS
		deps.DNS = w.dns.cache
		said := dnscheck.Snapshot(ctx, q, deps)
		if ctx.Err() != nil {
			return
		}
		now := w.Store.Now()
		r := lastRead{said: said, hash: said.Hash(), at: now, kept: now}
		w.dns.mu.Lock()
		old, had := w.dns.readings[q.Domain]
		w.dns.mu.Unlock()
		if had && old.hash == r.hash && now.Sub(old.kept) < keepAgain {
			r.kept = old.kept
		} else {
			one, cancel := context.WithTimeout(ctx, 5*time.Second)
			err := w.Store.KeepDNS(one, r.hash, said)
			cancel()
			if err != nil {
				continue // a mail must not point to what is not there
			}
		}
		if had && old.hash != r.hash {
			delete(w.dns.checked, q.Domain)
		}
		w.dns.mu.Lock()
		if w.dns.readings == nil {
			w.dns.readings = map[string]lastRead{}
		}
		w.dns.readings[q.Domain] = r
		w.dns.mu.Unlock()
	}
}

// noteChanges writes down which records of a domain say something else than when any worker last saw them: when that was is what people ask
// first when mail begins to be refused.
func (w *Worker) noteChanges(ctx context.Context, q dnscheck.Question) {
	w.dns.mu.Lock()
	r, ok := w.dns.readings[q.Domain]
	w.dns.mu.Unlock()
	if !ok || r.noted {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	changed, err := w.Store.FollowRecords(ctx, q.Domain, r.said, r.at)
	if err != nil {
		w.Log.Warn().Err(err).Str("domain", q.Domain).Msg("how records changed is not written")
		return
	}
	w.dns.mu.Lock()
	r.noted = true
	w.dns.readings[q.Domain] = r
	w.dns.mu.Unlock()
	for _, c := range changed {
		line := w.Log.Info()
		if !c.Now.Good() {
			line = w.Log.Error()
		}
		line.Str("record", c.Now.Name).Str("kind", string(c.Now.Kind)).Str("was", c.Was.State).Str("now", c.Now.State).Msg("a DNS record of ours changed")
	}
}

// dnsNow is the hash of what DNS last said about a domain, and when it did; "" = not known.
func (w *Worker) dnsNow(domain string) (hash string, at time.Time) {
	w.dns.mu.Lock()
	defer w.dns.mu.Unlock()
	r, ok := w.dns.readings[domain]
	if !ok || w.Store.Now().Sub(r.at) > readingOK {
		return "", time.Time{}
	}
	return r.hash, r.at
}

// verify takes the newest signed mail and verifies it against DNS. A signature that fails is an alarm before the first bounce: a line in
// the log and a fact of the house, told once until it passes again. What is wrong with the record is for the check to say, which a change in DNS
// brings on.
func (w *Worker) verify(ctx context.Context) {
	raw := w.dns.sample.Swap(nil)
	if raw == nil || w.DNS.DNS == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	got, err := dnscheck.VerifyDKIM(ctx, *raw, w.dns.cache, dnscheck.Caps{})
	if err != nil || ctx.Err() != nil {
		return
	}
	for _, s := range got.Signatures {
		name := s.Selector + "._domainkey." + s.Domain
		switch s.Result {
		case dnscheck.DKIMPass:
			if alarmed, known := w.dns.alarmed[name]; alarmed || !known {
				w.alarmOver(ctx, name)
			}
		case dnscheck.DKIMFail, dnscheck.DKIMPermError:
			if !w.dns.alarmed[name] {
				w.alarm(ctx, name, s)
			}
		}
	}
}

// alarm tells that a mail does not verify, unless another worker has told so of the same key within the hour.
func (w *Worker) alarm(ctx context.Context, name string, s dnscheck.DKIMSignature) {
	f := ledger.Fact{ID: ledger.NewEventID(), At: w.Store.Now(), Event: ledger.Checked, Check: &ledger.Check{Domain: s.Domain, Severity: string(dnscheck.Error),
		Errors: []string{"A mail signed with " + name + " does not verify: " + s.Why + "."}, Causes: []string{"sender.dkim_key_mismatch"}}}
	first, err := w.Store.Alarm(ctx, name, f)
	if err != nil {
		w.Log.Warn().Err(err).Msg("an alarm is not written")
		return
	}
	w.markAlarm(name, true)
	if first {
		w.count(ctx, "dkim_mismatch")
		w.Log.Error().Str("key", name).Str("why", s.Why).Msg("a mail that we signed does not verify against DNS")
	}
}

// alarmOver ends an alarm: the next mail that does not verify is told of again.
func (w *Worker) alarmOver(ctx context.Context, name string) {
	if err := w.Store.AlarmOver(ctx, name); err != nil {
		w.Log.Debug().Err(err).Msg("the end of an alarm is not written")
		return
	}
	w.markAlarm(name, false)
}

func (w *Worker) markAlarm(name string, alarmed bool) {
	if w.dns.alarmed == nil {
		w.dns.alarmed = map[string]bool{}
	}
	w.dns.alarmed[name] = alarmed
}
