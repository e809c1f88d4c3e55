package mailer_test

import (
	"context"
	"crypto/x509"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/mailer"
)

func prober(t *testing.T, w *sim.World) *mailer.Prober {
	t.Helper()
	pem, err := os.ReadFile(w.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &mailer.Prober{DNS: &dnscheck.Resolver{Servers: []string{w.Resolver()}}, HELO: "mail.sender.example", Port: w.SMTPPort(), RootCAs: roots, AllowPrivate: true, MTASTS: true, DANE: true,
		ReturnPath: func() string { return "b+probe@bounces.sender.example" },
		Limits:     mailer.Limits{Dial: 2 * time.Second, Banner: time.Second, Command: time.Second, BeforeDot: 3 * time.Second}}
}

func address(t *testing.T, s string) mailer.Address {
	t.Helper()
	a, err := mailer.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// What people see of each kind of host: the steps in order, how it ends, and which cause that is. Nothing is ever sent.
func TestProbe(t *testing.T) {
	for _, c := range []struct {
		name    string
		b       sim.Behaviour
		to      string
		outcome ledger.Outcome
		cause   string
		steps   string // those of the host
	}{
		{"accepts, with TLS", sim.Accept().StartTLS(), "jo@", ledger.Accepted, "", "mx policy address connect banner ehlo starttls ehlo mail rcpt rset quit"},
		{"accepts in clear", sim.Accept(), "jo@", ledger.Accepted, "", "mx policy address connect banner ehlo starttls mail rcpt rset quit"},
		{"no such mailbox", sim.UnknownMailbox(), "jo@", ledger.Rejected, "recipient.unknown_mailbox", "mx policy address connect banner ehlo starttls mail rcpt rset quit"},
		{"mailbox full", sim.MailboxFull(), "jo@", ledger.Deferred, "recipient.mailbox_full", "mx policy address connect banner ehlo starttls mail rcpt rset quit"},
		{"greylisted", sim.Greylist(time.Hour, 1), "jo@", ledger.Deferred, "deferred.greylisted", "mx policy address connect banner ehlo starttls mail rcpt rset quit"},
		{"down", sim.Down(), "jo@", ledger.Unreachable, "deferred.remote_down", "mx policy address connect"},
		{"no SMTPUTF8", sim.Accept().Without(sim.ExtSMTPUTF8), "jö@", ledger.Rejected, "recipient.needs_smtputf8", "mx policy address connect banner ehlo starttls mail quit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, err := sim.New()
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			h := w.Host("mx.there.example", c.b)
			w.Domain("there.example", h)
			var told []mailer.ProbeStep
			got := prober(t, w).Probe(context.Background(), address(t, c.to+"there.example"), func(s mailer.ProbeStep) { told = append(told, s) })
			var steps []string
			for _, s := range got.Steps {
				steps = append(steps, s.Step)
				if s.Says == "" || s.Grade == "" {
					t.Errorf("step %s says nothing: %+v", s.Step, s)
				}
			}
			if got.Outcome != c.outcome || got.Cause != c.cause || got.Says == "" {
				t.Errorf("%s, %q, %q; want %s, %q", got.Outcome, got.Cause, got.Says, c.outcome, c.cause)
			}
			if s := strings.Join(steps, " "); s != c.steps {
				t.Errorf("steps %s\nwant  %s", s, c.steps)
			}
			if !slices.EqualFunc(told, got.Steps, func(a, b mailer.ProbeStep) bool { return a.Step == b.Step && a.Says == b.Says }) {
				t.Error("what was told and what came of it differ")
			}
			for _, line := range h.Transcript() {
				if strings.HasPrefix(strings.ToUpper(line), "C: DATA") || strings.HasPrefix(strings.ToUpper(line), "C: BDAT") {
					t.Errorf("the probe began to send: %q", line)
				}
			}
		})
	}
}

// Where there is nobody to ask, DNS alone decides.
func TestProbeWithoutHosts(t *testing.T) {
	w, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	w.DNS().SetNullMX("null.example")
	w.DNS().SetServfail("broken.example")
	w.DNS().SetTXT("bare.example", "no mail here")
	for domain, want := range map[string]struct {
		outcome ledger.Outcome
		cause   string
	}{
		"null.example":    {ledger.NoHost, "recipient.no_mail_service"},
		"bare.example":    {ledger.NoHost, "recipient.no_mail_service"},
		"nowhere.example": {ledger.NoHost, "recipient.no_domain"},
		"broken.example":  {ledger.NoDNS, "deferred.other"},
	} {
		got := prober(t, w).Probe(context.Background(), address(t, "jo@"+domain), nil)
		if got.Outcome != want.outcome || got.Cause != want.cause || len(got.Steps) != 1 {
			t.Errorf("%s: %+v", domain, got)
		}
	}
}

// A stranger's DNS leads nobody into our own network: not even a connection is made.
func TestProbeStaysOutside(t *testing.T) {
	w, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	h := w.Host("mx.inside.example", sim.Accept())
	w.Domain("inside.example", h)
	p := prober(t, w)
	p.AllowPrivate = false
	got := p.Probe(context.Background(), address(t, "jo@inside.example"), nil)
	if got.Outcome != ledger.Blocked || got.Steps[len(got.Steps)-1].Step != "address" || len(h.Transcript()) != 0 {
		t.Errorf("%+v, the host heard %v", got, h.Transcript())
	}
	table, err := os.ReadFile("../diag/dnscheck/testdata/addresses.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "inside" {
			continue
		}
		ip := f[1]
		w.DNS().SetA("mx.inside.example", netip.MustParseAddr(ip))
		if got := p.Probe(context.Background(), address(t, "jo@inside.example"), nil); got.Outcome != ledger.Blocked {
			t.Errorf("%s: %+v", ip, got)
		}
	}
}

// A host that never ends its banner costs no more than the budget.
func TestProbeIsBounded(t *testing.T) {
	w, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for name, b := range map[string]sim.Behaviour{"banner": sim.BannerEndless(), "silent": sim.Blackhole()} {
		w.Domain(name+".example", w.Host("mx."+name+".example", b))
		got := prober(t, w).Probe(context.Background(), address(t, "jo@"+name+".example"), nil)
		last := got.Steps[len(got.Steps)-1]
		if got.Outcome != ledger.Unreachable || last.Step != "banner" || last.Grade != mailer.GradeBad {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
