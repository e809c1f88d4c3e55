package worker_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/worker"
)

// A route that may carry one mail an hour carries one; the second waits for when room comes, and no host hears of it. A mail that no host
// took counts for nothing.
func TestCapOfARoute(t *testing.T) {
	accounts := []realm.Account{jo(),
		{ID: "u2", Login: "al@there.example", Address: "al@there.example", LoginMethod: realm.LoginPassword},
		{ID: "u3", Login: "no@gone.example", Address: "no@gone.example", LoginMethod: realm.LoginPassword}}
	b := newBench(t, func(w *worker.Worker) { w.Caps = map[string]store.Limit{"mx": {N: 1, Per: time.Hour}} }, accounts...)
	mx := b.world.Host("mx.there.example", sim.Accept())
	b.world.Domain("there.example", mx)
	gone := b.world.Host("mx.gone.example", sim.UnknownMailbox())
	b.world.Domain("gone.example", gone)
	b.until(b.ask("no@gone.example", time.Now()), "refused by the host", state(ledger.IsFailed))
	b.until(b.ask("jo@there.example", time.Now()), "sent", state(ledger.Sent))
	r := b.until(b.ask("al@there.example", time.Now()), "postponed", func(r *ledger.Reset) bool { return r.Newest().Delay != nil })
	d := r.Newest().Delay
	if d.Why != "quota" || d.Count != 1 || d.Limit != "1/1h" || d.Next.Before(time.Now().Add(50*time.Minute)) || r.State != ledger.Waiting || r.Newest().Tries != 0 {
		t.Errorf("postponed as %+v, state %s", d, r.State)
	}
	if n := len(mx.Mail()); n != 1 {
		t.Errorf("%d mails left by the route", n)
	}
}

// An ask from a denied network is refused, with the network's name; the same ask from support is not.
func TestDeniedSource(t *testing.T) {
	b := newBench(t, func(w *worker.Worker) { w.Deny = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }, jo())
	mx := b.world.Host("mx.there.example", sim.Accept())
	b.world.Domain("there.example", mx)
	ask := func(ip, role string) ledger.ResetID {
		seed := ledger.NewSeed()
		p := store.LedgerOf("community", "jo@there.example").Partition()
		id := ledger.NewResetID(p, seed)
		f := ledger.Fact{ID: ledger.NewEventID(), At: time.Now(), Event: ledger.Requested, Reset: id, Message: ledger.NewMessageID(p, seed.Derive("message")), Role: role,
			Ask: &ledger.Ask{Realm: "community", Login: "jo@there.example", IP: ip}}
		ring, err := b.store.Accept(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.client.Ring(t.Context(), ring.ID, ring.TaskID()); err != nil {
			t.Fatal(err)
		}
		return id
	}
	for _, ip := range []string{"192.0.2.77", "::ffff:192.0.2.77"} {
		r := b.until(ask(ip, "app"), "refused", state(ledger.IsRefused))
		if r.Refusal.Why != ledger.WhyBlockedSource || r.Refusal.Detail != "192.0.2.0/24" {
			t.Errorf("%s: %+v", ip, r.Refusal)
		}
	}
	b.until(ask("192.0.2.77", "support"), "sent", state(ledger.Sent))
}
