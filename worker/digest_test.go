package worker_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/worker"
)

// comesBack puts a returned mail into the record as the receiver does, and waits until a worker has read it.
func (b *bench) comesBack(r *ledger.Reset, raw string) *ledger.Reset {
	b.t.Helper()
	before := len(r.Facts)
	p, err := ledger.Partition(string(r.ID))
	if err != nil {
		b.t.Fatal(err)
	}
	ret := ledger.NewReturnID(p, ledger.NewSeed())
	raw = strings.ReplaceAll(raw, "\n", "\r\n")
	ring, err := b.store.Keep(b.t.Context(), r.Newest().ID, ret, b.worker.Sealer.Seal([]byte(raw), string(ret)))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.client.Ring(b.t.Context(), ring.ID, ring.TaskID()); err != nil {
		b.t.Fatal(err)
	}
	return b.until(r.ID, "read", func(r *ledger.Reset) bool { return len(r.Facts) > before })
}

func report(to, action, status, diagnostic string) string {
	return "From: MAILER-DAEMON@relay.example\nTo: b@bounces.us.example\nSubject: Mail status\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n" +
		"--b\nContent-Type: text/plain\n\nA report.\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; relay.example\n\n" +
		"Final-Recipient: rfc822; " + to + "\nAction: " + action + "\nStatus: " + status + "\nDiagnostic-Code: " + diagnostic + "\n\n--b--\n"
}

// What a returned mail may do to the message in whose signed return path it came.
func TestReturnedMail(t *testing.T) {
	for name, c := range map[string]struct {
		raw    string
		event  ledger.Event
		action string
		state  ledger.State
		cause  string
	}{
		"failed":                   {report("jo@there.example", "failed", "5.2.2", "smtp; 552 5.2.2 mailbox full"), ledger.Bounced, "failed", ledger.IsFailed, "recipient.mailbox_full"},
		"in another case":          {report("JO@There.Example", "failed", "5.1.1", "smtp; 550 5.1.1 user unknown"), ledger.Bounced, "failed", ledger.IsFailed, "recipient.unknown_mailbox"},
		"delayed":                  {report("jo@there.example", "delayed", "4.4.1", "smtp; connect to mx: Connection timed out"), ledger.Bounced, "delayed", ledger.Sent, "deferred.remote_down"},
		"gave up after a time-out": {report("jo@there.example", "failed", "4.4.1", "smtp; connect to mx: Connection timed out"), ledger.Bounced, "failed", ledger.IsFailed, "deferred.remote_down"},
		"delivered":                {report("jo@there.example", "delivered", "2.0.0", "smtp; 250 ok"), ledger.Confirmed, "delivered", ledger.Sent, ""},
		"about somebody else":      {report("ann@elsewhere.example", "failed", "5.1.1", "smtp; 550 5.1.1 user unknown"), ledger.Bounced, "failed", ledger.Sent, "recipient.unknown_mailbox"},
		"a machine's answer":       {"From: jo@there.example\nTo: b@bounces.us.example\nSubject: Out of office\nAuto-Submitted: auto-replied\n\nI am away until Monday.\n", ledger.AutoReplied, "vacation", ledger.Sent, ""},
		"nobody can read it":       {"From: x@there.example\nTo: b@bounces.us.example\nSubject: hm\n\nLorem ipsum.\n", ledger.Bounced, "", ledger.Sent, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil, jo())
			b.world.Domain("there.example", b.world.Host("mx.there.example", sim.Accept()))
			r := b.until(b.ask("jo@there.example", time.Now()), "sent", state(ledger.Sent))
			r = b.comesBack(r, c.raw)
			f := r.Facts[len(r.Facts)-1]
			if f.Event != c.event || f.Return == nil || f.Return.Action != c.action || f.Return.Cause != c.cause || r.State != c.state {
				t.Errorf("%s %+v, state %s", f.Event, f.Return, r.State)
			}
		})
	}
}

// A mailbox that passes its mail on to one that is gone: the verdict says so, and the address that we know is not held for it.
func TestReturnedMailOfAForward(t *testing.T) {
	b := newBench(t, nil, jo())
	b.world.Domain("there.example", b.world.Host("mx.there.example", sim.Accept()))
	const address, raw = "jo@there.example", "From: Mail Delivery System <Mailer-Daemon@mx.there.example>\nReturn-Path: <>\nTo: b@bounces.us.example\nSubject: Mail delivery failed: returning message to sender\n\n" +
		"A message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n" +
		"  jo.old@far.example\n    (generated from jo@there.example)\n    host mx.far.example [192.0.2.9]\n    SMTP error from remote mail server after RCPT TO:<jo.old@far.example>:\n    550 5.1.1 User unknown\n"
	now := time.Now()
	for i := range 2 {
		r := b.until(b.ask(address, now.Add(time.Duration(i)*2*time.Minute)), "sent", state(ledger.Sent))
		r = b.comesBack(r, raw)
		f := r.Facts[slices.IndexFunc(r.Facts, func(f ledger.Fact) bool { return f.Return != nil })]
		if !f.Return.Matched || f.Return.Recipient != "jo.old@far.example" || r.State != ledger.IsFailed {
			t.Fatalf("%s %+v, state %s", f.Event, f.Return, r.State)
		}
		c := diag.Diagnose(diag.Input{Now: b.store.Now(), Login: "jo", Timeline: ledger.Timeline{Resets: []*ledger.Reset{r}}})
		if c.Verdict.Cause != "recipient.forward_failed" {
			t.Errorf("the verdict is %s", c.Verdict.Cause)
		}
	}
	if sup, err := b.store.Suppressed(t.Context(), address); err != nil || sup != nil {
		t.Errorf("held for another's mailbox: %+v, %v", sup, err)
	}
}

// An operator's own rule reads what came back: a fault of the recipient's counts as one.
func TestReturnedMailByOwnRules(t *testing.T) {
	b := newBench(t, func(w *worker.Worker) {
		var err error
		if w.Replies, err = reply.With("rule zebra\n  says zebra crossing closed\n  reason user_unknown\n  proves It is gone.\n  source us\n  sample 550 zebra crossing closed\n"); err != nil {
			t.Fatal(err)
		}
	}, jo())
	b.world.Domain("there.example", b.world.Host("mx.there.example", sim.Accept()))
	r := b.until(b.ask("jo@there.example", time.Now()), "sent", state(ledger.Sent))
	r = b.comesBack(r, report("jo@there.example", "failed", "5.0.0", "smtp; 550 Zebra crossing closed"))
	f := r.Facts[len(r.Facts)-1]
	if f.Return == nil || f.Return.Reason != "user_unknown" || f.Return.Cause != "recipient.unknown_mailbox" || !f.Return.Permanent {
		t.Errorf("%+v", f.Return)
	}
	if items, err := b.store.Tray(t.Context(), 0, 10); err != nil || len(items) != 0 {
		t.Errorf("the tray holds %+v, %v", items, err)
	}
}
