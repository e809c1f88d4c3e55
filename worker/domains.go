package worker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/mailer"
)

// The clock of the domains: each is checked when a worker begins to lead and then every hour; keys that are not yet visible are looked for
// every minute, so that a rotation goes on soon after its record is published.
const (
	domainsAt  = 10 * time.Second
	checkEvery = time.Hour
	seekKeysAt = time.Minute
)

// domains is what the clock of the domains remembers.
type domains struct {
	cache   *dnscheck.Cache        // for what is asked with mails; checks ask DNS itself
	sample  atomic.Pointer[[]byte] // the newest signed mail that nobody has verified yet
	alarmed map[string]bool        // whether the last mail signed with a key did not verify; absent = none was looked at; verify's alone

	mu       sync.Mutex // holds seen, readings
	seen     map[string]bool
	readings map[string]lastRead  // by domain
	checked  map[string]time.Time // by this process; the clock's alone
	keys     time.Time            // when keys were last looked for; the clock's alone
}

// lookAtDomains learns which keys may sign, says which do, and, in the worker that leads, checks what is due.
func (w *Worker) lookAtDomains(ctx context.Context) {
	w.learnKeys(ctx)
	w.readDNS(ctx)
	one, cancel := context.WithTimeout(ctx, 5*time.Second)
	mine, err := w.Store.Sweep(one, w.Name, 3*reconcileAt)
	cancel()
	if err != nil || !mine || w.DNS.DNS == nil {
		return
	}
	now := w.Store.Now()
	if now.Sub(w.dns.keys) >= w.SeekKeys {
		w.dns.keys = now
		w.seekKeys(ctx)
	}
	for _, q := range w.Domains {
		if ctx.Err() != nil {
			return
		}
		w.noteChanges(ctx, q)
		if last, ok := w.dns.checked[q.Domain]; ok && now.Sub(last) < checkEvery {
			continue
		}
		if w.dns.checked == nil {
			w.dns.checked = map[string]time.Time{}
		}
		w.dns.checked[q.Domain] = now
		w.checkDomain(ctx, q)
	}
}

// checkDomain asks DNS about one of our domains; a report that says something else than the one before is a fact, and a line in the log.
func (w *Worker) checkDomain(ctx context.Context, q dnscheck.Question) {
	use := store.InUse(q, w.keySeen)
	r := dnscheck.Check(ctx, use, w.DNS)
	if ctx.Err() != nil {
		return // we stop: what was not answered for that is no finding
	}
	for _, k := range r.DKIM {
		if k.Status == dnscheck.KeyMatch {
			w.noteKey(ctx, q, k.Selector)
		}
	}
	keep, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	changed, err := w.Store.KeepReport(keep, r, "", "")
	switch {
	case err != nil:
		w.Log.Warn().Err(err).Str("domain", q.Domain).Msg("a domain's report is not kept")
	case changed && r.Bad():
		var ids []string
		for _, f := range r.Findings {
			if f.Severity == dnscheck.Error {
				ids = append(ids, f.ID)
			}
		}
		w.count(ctx, "domain_errors")
		w.Log.Error().Str("domain", q.Domain).Strs("findings", ids).Msg("DNS has an error for a domain of ours; `resetd check` says what to publish")
	case changed:
		w.Log.Info().Str("domain", q.Domain).Str("severity", string(r.Severity)).Msg("what DNS says about a domain of ours changed")
	}
}

// seekKeys looks for the records of keys that were never seen.
func (w *Worker) seekKeys(ctx context.Context) {
	for _, q := range w.Domains {
		for _, s := range q.Selectors {
			if w.keySeen(store.KeyID(q.Domain, s.Name, s.Public)) {
				continue
			}
			if k := dnscheck.CheckKey(ctx, w.DNS.DNS, q.Domain, s); k.Status == dnscheck.KeyMatch {
				w.noteKey(ctx, q, s.Name)
			}
		}
	}
}

func (w *Worker) noteKey(ctx context.Context, q dnscheck.Question, selector string) {
	for _, s := range q.Selectors {
		if s.Name != selector {
			continue
		}
		id := store.KeyID(q.Domain, s.Name, s.Public)
		if w.keySeen(id) {
			continue
		}
		one, cancel := context.WithTimeout(ctx, 5*time.Second)
		first, err := w.Store.NoteKey(one, id)
		cancel()
		if err != nil {
			w.Log.Warn().Err(err).Msg("a key's record was seen, and that is not written")
			continue
		}
		w.dns.mark(id)
		if first {
			w.Log.Info().Str("key", s.Name+"._domainkey."+q.Domain).Msg("the record of a DKIM key is published; mail is signed with it from now on")
		}
	}
}

// learnKeys reads which keys were seen by any worker, and says which this one signs with.
func (w *Worker) learnKeys(ctx context.Context) {
	if len(w.Domains) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	seen, err := w.Store.SeenKeys(ctx)
	if err != nil {
		w.Log.Debug().Err(err).Msg("which keys were seen is not known")
		return
	}
	for id := range seen {
		w.dns.mark(id)
	}
	var names []string
	for _, q := range w.Domains {
		for _, s := range w.signers(q.Domain) {
			names = append(names, s.Name())
		}
	}
	if err := w.Store.NoteSigning(ctx, names...); err != nil {
		w.Log.Debug().Err(err).Msg("which keys sign is not written")
	}
}

func (d *domains) mark(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen == nil {
		d.seen = map[string]bool{}
	}
	d.seen[id] = true
}

func (w *Worker) keySeen(id string) bool {
	w.dns.mu.Lock()
	defer w.dns.mu.Unlock()
	return w.dns.seen[id]
}

// signers are the keys that sign for a domain now: those whose record was seen at least once, so that a key put into the configuration
// before its record is published signs nothing yet. Where no key of the domain was ever seen, all of them sign: an unsigned mail is
// worse than one whose key is not found, and a resolver of ours may be blind where receivers see. See docs/decisions/dkim-keys.md.
func (w *Worker) signers(domain string) []mailer.Signer {
	all := w.Signers(domain)
	var seen []mailer.Signer
	for _, s := range all {
		if w.keySeen(store.KeyID(s.Domain, s.Selector, s.Key.Public())) {
			seen = append(seen, s)
		}
	}
	if len(seen) == 0 {
		return all
	}
	return seen
}
