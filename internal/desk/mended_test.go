package desk_test

import (
	"errors"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
)

// Hosts differ in what they think of a sender: that a mail passes elsewhere shows nothing about the one that refused.
func TestWhoseAcceptanceShowsAFix(t *testing.T) {
	refusal := func(err error) *desk.ResendRefused {
		var r *desk.ResendRefused
		errors.As(err, &r)
		return r
	}
	resend := func(f *fixture, id ledger.ResetID) error {
		_, err := f.Resend(f.t.Context(), support, ledger.NewSeed(), id, desk.Again{Reason: "asked by phone"})
		return err
	}
	t.Run("a host's judgement of us is mended when that host takes a mail again", func(t *testing.T) {
		f := newDesk(t)
		id := f.ask("jo@a.example")
		f.play(id, ledger.Rejected, func(a *ledger.Attempt) {
			a.Stage, a.Code, a.Enhanced, a.Text = "dot", 554, "5.7.1", "Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org"
		})
		for _, provider := range []string{"", "b.example"} { // our own relay or canary, and a host that does not mind
			if err := f.Store.RouteWorks(t.Context(), "mx", provider, f.Store.Now().Add(time.Second)); err != nil {
				t.Fatal(err)
			}
			if r := refusal(resend(f, id)); r == nil || r.Case.Verdict.Cause != "sender.blocklisted" {
				t.Fatalf("after %q took a mail: %+v", provider, r)
			}
		}
		if err := f.Store.RouteWorks(t.Context(), "mx", "a.example", f.Store.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if err := resend(f, id); err != nil {
			t.Fatalf("after that host took a mail: %v", err)
		}
	})
	t.Run("what a host says of us behind a relay is not mended by the relay taking mail", func(t *testing.T) {
		f := newDesk(t)
		id := f.ask("jo@a.example")
		f.play(id, ledger.Accepted, func(a *ledger.Attempt) { a.Smart = true })
		at, err := f.Store.Find(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		facts, err := f.Store.Facts(t.Context(), at.Ledger)
		if err != nil {
			t.Fatal(err)
		}
		back := ledger.Fact{ID: ledger.NewEventID(), At: f.Store.Now(), Event: ledger.Bounced, Reset: id, Message: facts[len(facts)-1].Message, Return: &ledger.Return{
			Source: "smtp", Action: "failed", Matched: true, Cause: "sender.blocklisted", Permanent: true, Status: "5.7.1", Diagnostic: "554 5.7.1 blocked using zen.spamhaus.org"}}
		if err := f.Store.Append(t.Context(), at.Ledger, back); err != nil {
			t.Fatal(err)
		}
		if err := f.Store.RouteWorks(t.Context(), "mx", "", f.Store.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if r := refusal(resend(f, id)); r == nil || r.Case.Verdict.Cause != "sender.blocklisted" {
			t.Fatalf("%+v", r)
		}
	})
}
