package mailer

import (
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

func TestReuse(t *testing.T) {
	h := newHost(t, polite(nil))
	d := deliverer(t, zone{})
	for range 3 {
		if got := summary(d.Deliver(t.Context(), h.relay(), testEnvelope(), []byte(testMail))); got != "accepted dot 250 2.0.0" {
			t.Fatal(got)
		}
	}
	if h.connections() != 1 || h.mails() != 3 || len(h.heard("EHLO RSET")) != 1 {
		t.Errorf("%d connections, %d mails, said %v", h.connections(), h.mails(), h.said)
	}
	d.Close()
	if got := summary(d.Deliver(t.Context(), h.relay(), testEnvelope(), []byte(testMail))); got != "accepted dot 250 2.0.0" {
		t.Fatal(got)
	}
	if got := h.heard("QUIT"); len(got) != 2 {
		t.Errorf("QUIT was said %d times", len(got))
	}
}

func TestReuseAfterRefusal(t *testing.T) {
	h := newHost(t, polite(manners{"RCPT": "550 5.1.1 no such user"}))
	d := deliverer(t, zone{})
	for range 2 {
		if got := summary(d.Deliver(t.Context(), h.relay(), testEnvelope(), []byte(testMail))); got != "rejected rcpt 550 5.1.1" {
			t.Fatal(got)
		}
	}
	if h.connections() != 1 || len(h.heard("RSET")) != 2 {
		t.Errorf("%d connections, %v", h.connections(), h.said)
	}
}

// The host ends a kept connection, as all do after a while: the mail goes over a new one, and only that dialogue is told.
func TestKeptConnectionDied(t *testing.T) {
	for name, ms := range map[string]manners{
		"closed":  {"MAIL#2": ""},
		"says so": {"MAIL#2": "421 4.4.2 idle too long"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, polite(ms), polite(nil))
			d := deliverer(t, zone{})
			for range 2 {
				if got := summary(d.Deliver(t.Context(), h.relay(), testEnvelope(), []byte(testMail))); got != "accepted dot 250 2.0.0" {
					t.Fatal(got)
				}
			}
			if h.mails() != 2 || h.connections() != 2 {
				t.Errorf("%d mails, %d connections", h.mails(), h.connections())
			}
		})
	}
}

// One that breaks later in the mail is told as a dialogue, and the mail goes over a new one too.
func TestKeptConnectionBreaksAtRcpt(t *testing.T) {
	h := newHost(t, polite(manners{"RCPT#2": ""}), polite(nil))
	d := deliverer(t, zone{})
	for i, want := range []string{"accepted dot 250 2.0.0", "unreachable rcpt\naccepted dot 250 2.0.0"} {
		if got := summary(d.Deliver(t.Context(), h.relay(), testEnvelope(), []byte(testMail))); got != want {
			t.Errorf("%d: %s", i, got)
		}
	}
}

// But a break at the final dot is never tried again here: the host may have the mail.
func TestKeptConnectionBreaksAtDot(t *testing.T) {
	h := newHost(t, polite(manners{"DOT#2": ""}), polite(nil))
	d := deliverer(t, zone{})
	for i, want := range []string{"accepted dot 250 2.0.0", "ambiguous dot"} {
		if got := summary(d.Deliver(t.Context(), h.relay(), testEnvelope(), []byte(testMail))); got != want {
			t.Errorf("%d: %s", i, got)
		}
	}
}

func TestMailsPerConnection(t *testing.T) {
	h := newHost(t, polite(nil))
	d := deliverer(t, zone{})
	d.Limits.MailsPerConn = 2
	for range 4 {
		d.Deliver(t.Context(), h.relay(), testEnvelope(), []byte(testMail))
	}
	if h.connections() != 2 {
		t.Errorf("%d connections", h.connections())
	}
}

func TestIdleConnectionExpires(t *testing.T) {
	h := newHost(t, polite(nil))
	d := deliverer(t, zone{})
	d.Limits.Idle = time.Nanosecond
	d.Deliver(t.Context(), h.relay(), testEnvelope(), []byte(testMail))
	for len(h.heard("QUIT")) == 0 { // the timer's goodbye is the event
		if t.Context().Err() != nil {
			t.Fatal("no QUIT")
		}
	}
	d.pool.mu.Lock()
	defer d.pool.mu.Unlock()
	if d.pool.count != 0 || len(d.pool.idle) != 0 {
		t.Errorf("%d kept", d.pool.count)
	}
}

func TestConcurrentDeliveries(t *testing.T) {
	h := newHost(t, polite(nil))
	d := deliverer(t, zone{})
	out := make(chan ledger.Outcome)
	for range 50 {
		go func() { out <- d.Deliver(t.Context(), h.relay(), testEnvelope(), []byte(testMail))[0].Outcome }()
	}
	for range 50 {
		if o := <-out; o != ledger.Accepted {
			t.Error(o)
		}
	}
	if h.mails() != 50 {
		t.Errorf("%d mails", h.mails())
	}
}

func BenchmarkDeliverReused(b *testing.B) {
	h := newHost(b, polite(nil))
	d := deliverer(b, zone{})
	d.Limits.MailsPerConn = 1 << 30
	msg := []byte(testMail + strings.Repeat("a line of forty characters, all the same\r\n", 80))
	b.ReportAllocs()
	for b.Loop() {
		if a := d.Deliver(b.Context(), h.relay(), testEnvelope(), msg); a[0].Outcome != ledger.Accepted {
			b.Fatal(a)
		}
	}
}

func BenchmarkDeliverFresh(b *testing.B) {
	h := newHost(b, polite(nil))
	d := deliverer(b, zone{})
	d.Limits.MailsPerConn = 1
	for b.Loop() {
		if a := d.Deliver(b.Context(), h.relay(), testEnvelope(), []byte(testMail)); a[0].Outcome != ledger.Accepted {
			b.Fatal(a)
		}
	}
}
