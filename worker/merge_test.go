package worker_test

import (
	"testing"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/worker"
)

// Jo asks, uses the link, mistypes the new password and asks again, all within a minute. The first mail cannot serve the second ask: its
// link is used. So another one goes out, also when she asks by another login of the same account; a third ask is served by that one.
func TestUsedLinkServesNoSecondAsk(t *testing.T) {
	account := jo()
	account.Username = "jo-the-first"
	b := newBench(t, func(w *worker.Worker) { w.AccountLimit = store.Limit{} }, account)
	b.world.Domain("there.example", b.world.Host("mx.there.example", sim.Accept()))
	now := time.Now()
	for i, login := range []string{"jo@there.example", "jo@there.example", "jo-the-first"} {
		b.use(b.ask(login, now.Add(time.Duration(i)*time.Second)))
	}
	open := b.ask("jo@there.example", now.Add(5*time.Second))
	b.until(open, "sent", state(ledger.Sent))
	if r := b.until(b.ask("jo-the-first", now.Add(6*time.Second)), "refused", state(ledger.IsRefused)); r.Refusal.Why != ledger.WhyMerged || r.Refusal.First != open {
		t.Errorf("while a link is open: %+v", r.Refusal)
	}
}

// use redeems the link of a reset once its mail was sent.
func (b *bench) use(id ledger.ResetID) {
	b.t.Helper()
	r := b.until(id, "sent", state(ledger.Sent))
	g := r.Gen()
	l := store.LedgerOf("community", r.Asked.Ask.Login)
	live := store.Live{Account: store.AccountOf("community", g.Account), Ledger: l, Reset: id, Gen: g.N, NewestGen: g.N, Issued: g.IssuedAt, Expires: g.Expires()}
	f := ledger.Fact{ID: ledger.NewEventID(), At: b.store.Now(), Event: ledger.Redeemed, Reset: id, Redemption: &ledger.Redemption{Gen: g.N, Account: g.Account}}
	if err := b.store.Redeem(b.t.Context(), live, f); err != nil {
		b.t.Fatal(err)
	}
}
