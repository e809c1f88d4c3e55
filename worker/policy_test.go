package worker_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/worker"
)

// onePolicy serves one MTA-STS policy until it is taken down.
type onePolicy struct {
	asked atomic.Int32
	down  atomic.Bool
}

func (p *onePolicy) RoundTrip(r *http.Request) (*http.Response, error) {
	if p.down.Load() {
		return nil, errors.New("nobody is there")
	}
	p.asked.Add(1)
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/plain"}}, Request: r,
		Body: io.NopCloser(strings.NewReader("version: STSv1\nmode: enforce\nmx: mx.there.example\nmax_age: 86400\n"))}, nil
}

// A policy that keeps a mail is no refusal: the mail is offered again, nothing is held against the address, and it goes out once the host fits.
// Another worker obeys the policy that the first one fetched, though nobody serves it any more.
func TestPolicyKeepsAMail(t *testing.T) {
	web := &onePolicy{}
	obey := func(w *worker.Worker) {
		r := w.Routes["mx"]
		r.MTASTS = true
		w.Routes["mx"] = r
		w.Retry = []time.Duration{200 * time.Millisecond}
	}
	b := newBench(t, obey, jo())
	b.stop()
	fresh := func() {
		dns := &dnscheck.Resolver{Servers: []string{b.world.Resolver()}}
		b.worker.Mailer.DNS = dns
		b.worker.Mailer.STS = &dnscheck.STSSender{DNS: dns, HTTP: &http.Client{Transport: web}, Kept: b.store, Now: b.store.Now}
	}
	fresh()
	h := b.world.Host("mx.there.example", sim.Accept())
	b.world.Domain("there.example", h)
	b.world.DNS().SetTXT("_mta-sts.there.example", "v=STSv1; id=1;")
	b.start()
	id := b.ask("jo@there.example", b.store.Now())
	kept := func(n int) func(*ledger.Reset) bool {
		return func(r *ledger.Reset) bool {
			return r.State == ledger.Waiting && len(r.Messages) == 1 && len(r.Messages[0].Attempts) >= n
		}
	}
	r := b.until(id, "kept twice", kept(2))
	b.stop()
	web.down.Store(true)
	b.world.DNS().Remove("_mta-sts.there.example")
	fresh() // what this process remembers is gone
	b.start()
	n := len(r.Messages[0].Attempts)
	r = b.until(id, "kept again", kept(n+2))
	for _, f := range r.Messages[0].Attempts {
		if a := f.Attempt; a.Outcome != ledger.Blocked || a.Security == nil || a.Security.Policy != ledger.MTASTS || a.Security.Failed != ledger.NoSTARTTLS || a.Next.IsZero() {
			t.Fatalf("%+v %+v", a, a.Security)
		}
	}
	if len(h.Mail()) > 0 || web.asked.Load() != 1 {
		t.Errorf("%d mails in clear, %d fetches", len(h.Mail()), web.asked.Load())
	}
	if sup, err := b.store.Suppressed(t.Context(), "jo@there.example"); err != nil || sup != nil {
		t.Errorf("%+v, %v", sup, err)
	}
	counters, err := b.store.Counters(t.Context())
	if err != nil || counters["tls:kept_by_mta_sts"] < 4 || counters["attempts:blocked"] < 4 || counters["tls:clear"] != 0 {
		t.Errorf("%v, %v", counters, err)
	}
}

// Since when the address is the account's stands with the link, and the host is asked for that owner in every try.
func TestOwnerIsAsked(t *testing.T) {
	account := jo()
	account.Since = time.Date(2019, 5, 1, 0, 0, 0, 0, time.UTC)
	b := newBench(t, nil, account)
	changed := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	h := b.world.Host("mx.there.example", sim.Accept().Owners(func(sim.Recipient) time.Time { return changed }))
	b.world.Domain("there.example", h)
	id := b.ask("jo@there.example", b.store.Now())
	r := b.until(id, "refused", state(ledger.IsFailed))
	if a := r.Messages[0].Attempts[0].Attempt; a.Outcome != ledger.Rejected || a.Enhanced != "5.7.17" || a.Owner != ledger.ByRRVS {
		t.Errorf("%+v", a)
	}
	if g := r.Gen(); !g.Since.Equal(account.Since) {
		t.Errorf("%+v", g)
	}
	if !slices.ContainsFunc(h.Transcript(), func(l string) bool { return strings.HasSuffix(l, " RRVS=2019-05-01T00:00:00Z") }) || len(h.Mail()) > 0 {
		t.Errorf("%v", h.Transcript())
	}
}
