package store_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/sim/redistest"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/internal/token"
)

// open gives a store on a real Redis of its own.
func open(t testing.TB) (*store.Store, redis.UniversalClient) {
	t.Helper()
	rdb, err := store.Open("redis://" + redistest.Start(t) + "/0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rdb.Close() })
	return store.New(rdb, store.Options{Retention: 24 * time.Hour, Durability: "memory"}), rdb
}

func ask(login string, seed ledger.Seed, at time.Time) ledger.Fact {
	p := store.LedgerOf("shop", login).Partition()
	return ledger.Fact{ID: ledger.EventIDFrom(seed.Derive("e")), At: at, Event: ledger.Requested, Reset: ledger.NewResetID(p, seed),
		Message: ledger.NewMessageID(p, seed.Derive("m")), Ask: &ledger.Ask{Realm: "shop", Login: login}}
}

func accept(t testing.TB, s *store.Store, login string) ledger.Fact {
	t.Helper()
	f := ask(login, ledger.NewSeed(), s.Now())
	if _, err := s.Accept(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	return f
}

// Accepting the same ask twice leaves one fact and one piece of work.
func TestAcceptIsIdempotent(t *testing.T) {
	s, _ := open(t)
	f := ask("jo@a.example", ledger.NewSeed(), s.Now())
	for range 2 {
		if _, err := s.Accept(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	facts, err := s.Facts(t.Context(), store.LedgerOf("shop", " JO@a.example "))
	if err != nil || len(facts) != 1 || facts[0].Ask.Login != "jo@a.example" {
		t.Errorf("facts %+v, %v", facts, err)
	}
	if q, _ := s.Status(t.Context()); q.Due != 1 || q.InFlight != 0 || q.Waiting != 0 {
		t.Errorf("queue %+v", q)
	}
	at, err := s.Find(t.Context(), f.Reset)
	if err != nil || at.Realm != "shop" || at.Ledger != store.LedgerOf("shop", "jo@a.example") {
		t.Errorf("found at %+v, %v", at, err)
	}
	if _, err := s.Find(t.Context(), ledger.NewResetID(1, ledger.NewSeed())); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a reset that never was: %v", err)
	}
}

// Of many workers at once one gets the claim. When its lease has run out, the next one gets a higher fence, and what the first still
// writes is kept as a fact and changes no schedule.
func TestClaimAndFence(t *testing.T) {
	s, _ := open(t)
	f := accept(t, s, "jo@a.example")
	id := string(f.Message)
	var mu sync.Mutex
	var got []store.Claim
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			c, err := s.Claim(t.Context(), id, fmt.Sprint("w", i), time.Second)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				got = append(got, c)
			} else if !errors.Is(err, store.ErrTaken) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(got) != 1 || got[0].Fence != 1 || got[0].Reset != f.Reset || got[0].Message != f.Message {
		t.Fatalf("claims %+v", got)
	}
	first := got[0]
	if q, _ := s.Status(t.Context()); q.InFlight != 1 || q.Due != 0 {
		t.Errorf("queue %+v", q)
	}
	if rings, err := s.Rings(t.Context(), store.Deliver, 10, time.Second); err != nil || len(rings) != 0 {
		t.Errorf("rung for claimed work: %v, %v", rings, err)
	}
	if err := s.Renew(t.Context(), first, time.Second); err != nil {
		t.Fatal(err)
	}
	second := untilClaimed(t, s, id)
	if second.Fence != 2 {
		t.Errorf("second claim %+v", second)
	}
	if err := s.Renew(t.Context(), first, time.Minute); !errors.Is(err, store.ErrStale) {
		t.Errorf("the lost claim is renewed: %v", err)
	}
	dialed := ledger.Fact{ID: ledger.NewEventID(), At: s.Now(), Event: ledger.Dialed, Reset: f.Reset, Message: f.Message, Attempt: &ledger.Attempt{Try: 1}}
	if err := s.Intend(t.Context(), first, dialed); !errors.Is(err, store.ErrStale) {
		t.Errorf("the lost claim may begin a dialogue: %v", err)
	}
	if err := s.Intend(t.Context(), second, dialed); err != nil {
		t.Error(err)
	}
	late := ledger.Fact{ID: ledger.NewEventID(), At: s.Now(), Event: ledger.Attempted, Reset: f.Reset, Message: f.Message, Attempt: &ledger.Attempt{Try: 1, Outcome: ledger.Accepted}}
	if err := s.Settle(t.Context(), first, store.Plan{}, late); !errors.Is(err, store.ErrStale) {
		t.Errorf("the lost claim settles: %v", err)
	}
	facts, _ := s.Facts(t.Context(), first.Ledger)
	if len(facts) != 3 || facts[2].ID != late.ID {
		t.Errorf("%d facts: what the lost claim saw must be kept", len(facts))
	}
	next := s.Now().Add(time.Hour)
	if err := s.Settle(t.Context(), second, store.Plan{Next: next, Route: "mx", Deferred: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Claim(t.Context(), id, "w", time.Second); !errors.Is(err, store.ErrEarly) {
		t.Errorf("claimed before its time: %v", err)
	}
	q, _ := s.Status(t.Context())
	if q.Waiting != 1 || q.Due+q.InFlight != 0 || len(q.Routes) != 2 || q.Routes[1] != (store.RouteQueue{Route: "mx", Waiting: 1, Deferred: 1}) || q.Routes[0].Waiting != 0 {
		t.Errorf("queue %+v", q)
	}
}

func untilClaimed(t *testing.T, s *store.Store, id string) store.Claim {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := s.Claim(t.Context(), id, "other", time.Minute)
		if err == nil {
			return c
		}
		if !errors.Is(err, store.ErrTaken) || time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// The reconciler rings for due work once, then waits longer each time before it rings again; done work is never rung for.
func TestRings(t *testing.T) {
	s, _ := open(t)
	f := accept(t, s, "jo@a.example")
	if rings, _ := s.Rings(t.Context(), store.Deliver, 10, 50*time.Millisecond); len(rings) != 0 {
		t.Error("rung though the ring of Accept can still be heard")
	}
	g := accept(t, s, "ann@a.example")
	c, err := s.Claim(t.Context(), string(g.Message), "w", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Settle(t.Context(), c, store.Plan{Next: s.Now()}); err != nil { // due again at once, with no ring
		t.Fatal(err)
	}
	names := map[string]bool{}
	for range 3 {
		ring := untilRung(t, s)
		if ring.ID != string(g.Message) || names[ring.TaskID()] {
			t.Errorf("ring %+v", ring)
		}
		names[ring.TaskID()] = true
		if again, _ := s.Rings(t.Context(), store.Deliver, 10, 50*time.Millisecond); len(again) != 0 {
			t.Error("rung twice at once")
		}
	}
	at := store.Place{Ledger: store.LedgerOf("shop", "ann@a.example"), Realm: "shop"}
	cancelled := ledger.Fact{ID: ledger.NewEventID(), At: s.Now(), Event: ledger.Cancelled, Reset: g.Reset, Message: g.Message}
	if n, err := s.Cancel(t.Context(), at, []ledger.Fact{cancelled}); n != 1 || err != nil {
		t.Errorf("cancelled %d, %v", n, err)
	}
	if n, err := s.Cancel(t.Context(), at, []ledger.Fact{cancelled}); n != 0 || err != nil {
		t.Errorf("cancelled again %d, %v", n, err)
	}
	if _, err := s.Claim(t.Context(), string(g.Message), "w", time.Minute); !errors.Is(err, store.ErrGone) {
		t.Errorf("cancelled work is claimed: %v", err)
	}
	if q, _ := s.Status(t.Context()); q.Due != 1 {
		t.Errorf("queue %+v, want only %s", q, f.Message)
	}
}

func untilRung(t *testing.T, s *store.Store) store.Ring {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		rings, err := s.Rings(t.Context(), store.Deliver, 10, 50*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if len(rings) == 1 {
			return rings[0]
		}
		if time.Now().After(end) {
			t.Fatal("never rung")
		}
	}
}

// A resend takes back what is booked for the older message, in the same step in which the new one becomes due.
func TestResendCancelsOlder(t *testing.T) {
	s, _ := open(t)
	f := accept(t, s, "jo@a.example")
	at := store.Place{Ledger: store.LedgerOf("shop", "jo@a.example"), Realm: "shop"}
	resent := ledger.Fact{ID: ledger.NewEventID(), At: s.Now(), Event: ledger.Resent, Reset: f.Reset, Message: ledger.NewMessageID(at.Ledger.Partition(), ledger.NewSeed()), Resend: &ledger.Resend{From: f.Message}}
	cancelled := ledger.Fact{ID: ledger.NewEventID(), At: s.Now(), Event: ledger.Cancelled, Reset: f.Reset, Message: f.Message}
	for range 2 {
		if _, err := s.Resend(t.Context(), at, resent, []ledger.Fact{cancelled}); err != nil {
			t.Fatal(err)
		}
	}
	facts, _ := s.Facts(t.Context(), at.Ledger)
	tl := ledger.Fold(facts)
	r := tl.Reset(f.Reset)
	if len(facts) != 3 || len(r.Messages) != 2 || r.Messages[0].State != ledger.Withdrawn || r.State != ledger.Waiting {
		t.Errorf("%d facts, %+v", len(facts), r)
	}
	if _, err := s.Claim(t.Context(), string(f.Message), "w", time.Minute); !errors.Is(err, store.ErrGone) {
		t.Errorf("the older one: %v", err)
	}
	if _, err := s.Claim(t.Context(), string(resent.Message), "w", time.Minute); err != nil {
		t.Errorf("the newer one: %v", err)
	}
}

func liveToken(s *store.Store, l store.LedgerID, reset ledger.ResetID) store.Live {
	now := s.Now()
	return store.Live{Account: store.AccountOf("shop", "u1"), Ledger: l, Reset: reset, Gen: 1, NewestGen: 1, Issued: now.Add(-time.Minute), Expires: now.Add(time.Hour)}
}

// The reasons why a token is dead are told in the order of the contract; using one replaces the account's others; a failed outcome
// revives it once, and the others with it.
func TestTokenLife(t *testing.T) {
	s, _ := open(t)
	f := accept(t, s, "jo@a.example")
	l := store.LedgerOf("shop", "jo@a.example")
	a := liveToken(s, l, f.Reset)
	b := liveToken(s, l, ledger.NewResetID(l.Partition(), ledger.NewSeed()))
	redeemed := func(reset ledger.ResetID) ledger.Fact {
		return ledger.Fact{ID: ledger.NewEventID(), At: s.Now(), Event: ledger.Redeemed, Reset: reset, Redemption: &ledger.Redemption{Gen: 1, Account: "u1"}}
	}
	expired := a
	expired.Expires = s.Now().Add(-time.Second)
	old := a
	old.NewestGen = 2
	for what, c := range map[string]struct {
		tok  store.Live
		want error
	}{"live": {a, nil}, "expired": {expired, token.ErrExpired}, "older generation": {old, token.ErrReplaced}} {
		if err := s.Inspect(t.Context(), c.tok); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
	if err := s.Redeem(t.Context(), a, redeemed(a.Reset)); err != nil {
		t.Fatal(err)
	}
	expired.NewestGen = 2 // used, replaced and expired at once: used is told
	for what, c := range map[string]struct {
		tok  store.Live
		want error
	}{"used": {a, token.ErrUsed}, "used before replaced before expired": {expired, token.ErrUsed}, "the account's other": {b, token.ErrReplaced}} {
		if err := s.Redeem(t.Context(), c.tok, redeemed(c.tok.Reset)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
	facts, _ := s.Facts(t.Context(), l)
	if n := len(facts); n != 2 || facts[1].Event != ledger.Redeemed {
		t.Errorf("%d facts after one redeem", n)
	}
	failed := func() ledger.Fact {
		return ledger.Fact{ID: ledger.NewEventID(), At: s.Now(), Event: ledger.Reported, Reset: a.Reset, Report: &ledger.Report{Kind: "failed", Revived: true}}
	}
	if ok, err := s.Revive(t.Context(), a, 10*time.Minute, failed()); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := errors.Join(s.Inspect(t.Context(), a), s.Inspect(t.Context(), b)); err != nil {
		t.Errorf("after the revival: %v", err)
	}
	if err := s.Redeem(t.Context(), a, redeemed(a.Reset)); err != nil {
		t.Error(err)
	}
	if ok, _ := s.Revive(t.Context(), a, 10*time.Minute, failed()); ok {
		t.Error("revived twice")
	}
	fresh := liveToken(s, l, ledger.NewResetID(l.Partition(), ledger.NewSeed()))
	fresh.Account, fresh.Issued = store.AccountOf("shop", "u2"), s.Now().Add(-time.Second)
	if err := s.ReplaceAll(t.Context(), fresh.Account); err != nil {
		t.Fatal(err)
	}
	if err := s.Inspect(t.Context(), fresh); !errors.Is(err, token.ErrReplaced) {
		t.Errorf("after a password change: %v", err)
	}
}

// A revival comes too late when its window is over.
func TestRevivalHasAWindow(t *testing.T) {
	s, _ := open(t)
	l := store.LedgerOf("shop", "jo@a.example")
	a := liveToken(s, l, accept(t, s, "jo@a.example").Reset)
	if err := s.Redeem(t.Context(), a, ledger.Fact{ID: ledger.NewEventID(), At: s.Now(), Event: ledger.Redeemed, Reset: a.Reset}); err != nil {
		t.Fatal(err)
	}
	f := ledger.Fact{ID: ledger.NewEventID(), At: s.Now(), Event: ledger.Reported, Reset: a.Reset, Report: &ledger.Report{Kind: "failed"}}
	if ok, err := s.Revive(t.Context(), a, -time.Millisecond, f); ok || err != nil { // a window that is over already
		t.Error(ok, err)
	}
	if err := s.Inspect(t.Context(), a); !errors.Is(err, token.ErrUsed) {
		t.Error(err)
	}
}

// A redeem whose process dies between using the token and writing the ledger leaves the fact owed; whoever pays next writes it, once.
func TestOwedFactIsPaid(t *testing.T) {
	s, rdb := open(t)
	f := accept(t, s, "jo@a.example")
	l := store.LedgerOf("shop", "jo@a.example")
	fact := ledger.Fact{ID: ledger.NewEventID(), At: s.Now(), Event: ledger.Redeemed, Reset: f.Reset, Redemption: &ledger.Redemption{Gen: 1, Account: "u1"}}
	row := fmt.Sprintf(`%s {"i":%q,"t":%q,"e":"redeemed","r":%q,"red":{"g":1,"a":"u1"}}`, l, fact.ID, fact.At.Format(time.RFC3339Nano), f.Reset)
	if err := rdb.HSet(t.Context(), "rd:{p07}:owed", string(fact.ID), row).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := s.PayOwed(t.Context()); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := s.PayOwed(t.Context()); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	facts, _ := s.Facts(t.Context(), l)
	tl := ledger.Fold(facts)
	if r := tl.Reset(f.Reset); r.State != ledger.Used || len(facts) != 2 {
		t.Errorf("%d facts, state %s", len(facts), r.State)
	}
}

// Two faults of one address on different messages suppress it; the same message twice counts once; a release forgets them.
func TestSuppression(t *testing.T) {
	s, _ := open(t)
	now := s.Now()
	m1, m2 := ledger.NewMessageID(1, ledger.NewSeed()), ledger.NewMessageID(2, ledger.NewSeed())
	for _, m := range []ledger.MessageID{m1, m1} {
		if sup, err := s.Fault(t.Context(), "jo@A.example", m, "evt_1", now, "recipient.unknown_mailbox", "550"); sup != nil || err != nil {
			t.Fatal(sup, err)
		}
	}
	sup, err := s.Fault(t.Context(), "jo@a.example", m2, "evt_2", now, "recipient.unknown_mailbox", "550 no")
	if err != nil || sup == nil || len(sup.Evidence) != 2 || sup.Until.Sub(sup.Since) != store.HoldFor {
		t.Fatalf("%+v, %v", sup, err)
	}
	list, err := s.Suppressions(t.Context(), 0, 10)
	if err != nil || len(list) != 1 || list[0].Address != "jo@a.example" || list[0].Proof != "550 no" {
		t.Errorf("%+v, %v", list, err)
	}
	for address, want := range map[string]bool{"jo@a.EXAMPLE": true, "JO@a.example": false, "jo+x@a.example": false, "j.o@a.example": false} {
		if got, err := s.Suppressed(t.Context(), address); (got != nil) != want || err != nil {
			t.Errorf("%s: %+v, %v", address, got, err)
		}
	}
	if ok, err := s.Release(t.Context(), "jo@a.example"); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if ok, _ := s.Release(t.Context(), "jo@a.example"); ok {
		t.Error("released twice")
	}
	if sup, _ := s.Fault(t.Context(), "jo@a.example", m1, "evt_3", now, "x", ""); sup != nil {
		t.Error("an old fault was remembered after the release")
	}
	if got, _ := s.Suppressed(t.Context(), "jo@a.example"); got != nil {
		t.Error("still suppressed")
	}
}

// The trail tells when an entry was changed, taken out, or cut off.
func TestAuditChain(t *testing.T) {
	s, rdb := open(t)
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			if err := s.Audit(t.Context(), store.Entry{By: "ann", Role: "admin", Action: "resend", Target: fmt.Sprint("rst_", i)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	check := func(what string, good int64, wrong string) {
		t.Helper()
		n, w, err := s.VerifyAudit(t.Context())
		if err != nil || n != good || !strings.Contains(w, wrong) || (wrong == "") != (w == "") {
			t.Errorf("%s: %d good, %q, %v", what, n, w, err)
		}
	}
	check("as written", 10, "")
	const key = "rd:{house}:audit"
	row := rdb.LIndex(t.Context(), key, 4).Val()
	rdb.LSet(t.Context(), key, 4, strings.Replace(row, `"by":"ann"`, `"by":"bob"`, 1))
	check("changed", 4, "entry 5 was changed")
	rdb.LSet(t.Context(), key, 4, row)
	check("mended", 10, "")
	last := rdb.RPop(t.Context(), key).Val()
	check("cut off", 9, "its end was cut off")
	rdb.RPush(t.Context(), key, last)
	rdb.LRem(t.Context(), key, 1, row)
	check("taken out", 4, "taken out")
	page, err := s.AuditTrail(t.Context(), 0, 3)
	if err != nil || len(page) != 3 || page[0].N != 10 {
		t.Errorf("%+v, %v", page, err)
	}
}

// An idempotent request gets the same seed again, another body is a mismatch, and the answer is remembered.
func TestOnce(t *testing.T) {
	s, _ := open(t)
	a, err := s.Begin(t.Context(), "shop", "k1", "body")
	if err != nil || a.Mismatch || a.Status != 0 || a.Seed == (ledger.Seed{}) {
		t.Fatalf("%+v, %v", a, err)
	}
	if b, _ := s.Begin(t.Context(), "shop", "k1", "body"); b.Seed != a.Seed || b.Mismatch {
		t.Errorf("again: %+v", b)
	}
	if b, _ := s.Begin(t.Context(), "shop", "k1", "other"); !b.Mismatch {
		t.Error("another body is taken for the same request")
	}
	if b, _ := s.Begin(t.Context(), "crm", "k1", "body"); b.Seed == a.Seed || b.Mismatch {
		t.Error("another API key's name is the same")
	}
	if err := s.End(t.Context(), "shop", "k1", 202, []byte(`{"reset":"x"}`)); err != nil {
		t.Fatal(err)
	}
	if b, _ := s.Begin(t.Context(), "shop", "k1", "body"); b.Status != 202 || string(b.Response) != `{"reset":"x"}` {
		t.Errorf("after the answer: %+v", b)
	}
}

// A returned mail is kept once, for a message that is known, and not without end.
func TestKeep(t *testing.T) {
	s, _ := open(t)
	f := accept(t, s, "jo@a.example")
	p := store.LedgerOf("shop", "jo@a.example").Partition()
	ret := ledger.NewReturnID(p, ledger.NewSeed())
	for range 2 {
		if _, err := s.Keep(t.Context(), f.Message, ret, []byte("sealed")); err != nil {
			t.Fatal(err)
		}
	}
	if q, _ := s.Status(t.Context()); q.Returns != 1 {
		t.Errorf("%d returns to read", q.Returns)
	}
	c, err := s.Claim(t.Context(), string(ret), "w", time.Minute)
	if err != nil || c.Kind != store.Digest || c.Message != f.Message || c.Reset != f.Reset {
		t.Fatalf("%+v, %v", c, err)
	}
	if b, err := s.Sealed(t.Context(), ret); string(b) != "sealed" || err != nil {
		t.Error(b, err)
	}
	if err := s.Settle(t.Context(), c, store.Plan{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sealed(t.Context(), ret); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the sealed copy is still there: %v", err)
	}
	// Its sender offers it again after it was read: there is nothing left to do.
	if _, err := s.Keep(t.Context(), f.Message, ret, []byte("sealed")); err != nil {
		t.Error(err)
	}
	if q, _ := s.Status(t.Context()); q.Returns != 0 {
		t.Error("a mail that was read is to be read again")
	}
	if _, err := s.Keep(t.Context(), ledger.NewMessageID(p, ledger.NewSeed()), ret, nil); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("for a message that never was: %v", err)
	}
	for i := 0; ; i++ {
		_, err := s.Keep(t.Context(), f.Message, ledger.NewReturnID(p, ledger.NewSeed()), nil)
		if errors.Is(err, store.ErrEnough) {
			break
		}
		if err != nil || i > store.ReturnsKept {
			t.Fatalf("after %d: %v", i, err)
		}
	}
}

// Pauses, workers and sensors of the house.
func TestHouse(t *testing.T) {
	s, rdb := open(t)
	if ok, err := s.Pause(t.Context(), "mx", store.Hold{By: "ann", Reason: "moving", Since: s.Now()}); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if ok, err := s.Pause(t.Context(), "mx", store.Hold{By: "bob", Reason: "late", Since: s.Now()}); ok || err != nil {
		t.Fatal(ok, err)
	}
	if h, err := s.Holds(t.Context()); err != nil || len(h) != 1 || h["mx"].By != "ann" {
		t.Errorf("%+v, %v", h, err)
	}
	if ok, err := s.Resume(t.Context(), "mx", "ann", "moved"); !ok || err != nil {
		t.Error(ok, err)
	}
	if ok, _ := s.Resume(t.Context(), "mx", "ann", "moved"); ok {
		t.Error("resumed twice")
	}
	if n, seen, err := s.Workers(t.Context()); n != 0 || !seen.IsZero() || err != nil {
		t.Error(n, seen, err)
	}
	if err := errors.Join(s.Alive(t.Context(), "w1"), s.Alive(t.Context(), "w2")); err != nil {
		t.Fatal(err)
	}
	if n, _, _ := s.Workers(t.Context()); n != 2 {
		t.Errorf("%d workers", n)
	}
	if err := errors.Join(s.Leave(t.Context(), "w1"), s.Leave(t.Context(), "w2")); err != nil {
		t.Fatal(err)
	}
	if n, seen, _ := s.Workers(t.Context()); n != 0 || seen.IsZero() {
		t.Error(n, seen)
	}
	if err := s.Beat(t.Context(), "bounces"); err != nil {
		t.Fatal(err)
	}
	if _, blind, err := s.House(t.Context()); len(blind) != 0 || err != nil {
		t.Error(blind, err)
	}
	lost := s.Now().Add(-time.Hour)
	rdb.HSet(t.Context(), "rd:{house}:beats", "bounces", lost.UnixMilli())
	if _, blind, _ := s.House(t.Context()); len(blind) != 1 || !blind[0].To.IsZero() || !blind[0].From.Equal(lost) {
		t.Errorf("blind now: %+v", blind)
	}
	if err := s.Beat(t.Context(), "bounces"); err != nil {
		t.Fatal(err)
	}
	facts, blind, _ := s.House(t.Context())
	if len(blind) != 1 || blind[0].To.IsZero() || !blind[0].From.Equal(lost) {
		t.Errorf("blind then: %+v", blind)
	}
	var events []string
	for _, f := range facts {
		events = append(events, string(f.Event))
	}
	if got, want := strings.Join(events, " "), "paused resumed sensor_lost sensor_back"; got != want {
		t.Errorf("house facts %s, want %s", got, want)
	}
}

// Facts past their retention leave the head of a ledger that is still written to.
func TestRetentionTrimsTheHead(t *testing.T) {
	s, _ := open(t)
	l := store.LedgerOf("shop", "jo@a.example")
	old := ask("jo@a.example", ledger.NewSeed(), s.Now().Add(-48*time.Hour))
	if _, err := s.Accept(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	accept(t, s, "jo@a.example")
	facts, err := s.Facts(t.Context(), l)
	if err != nil || len(facts) != 1 || facts[0].Reset == old.Reset {
		t.Errorf("%d facts, %v", len(facts), err)
	}
}

// Every key of a ledger's work has the ledger's hash tag: one script touches one slot of a cluster.
func TestKeysShareTheirPartition(t *testing.T) {
	s, rdb := open(t)
	f := accept(t, s, "jo@a.example")
	tag := fmt.Sprintf("rd:{p%02d}:", store.LedgerOf("shop", "jo@a.example").Partition())
	keys, _ := rdb.Keys(t.Context(), "rd:*").Result()
	for _, k := range keys {
		if !strings.HasPrefix(k, tag) || strings.Contains(k, "jo@") {
			t.Errorf("key %s, want all in %s", k, tag)
		}
	}
	if p, _ := ledger.Partition(string(f.Reset)); fmt.Sprintf("rd:{p%02d}:", p) != tag {
		t.Errorf("reset in partition %d", p)
	}
	if len(keys) != 6 {
		t.Errorf("keys %v", keys)
	}
}

func BenchmarkAccept(b *testing.B) {
	s, _ := open(b)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Accept(b.Context(), ask(fmt.Sprint(ledger.NewEventID(), "@a.example"), ledger.NewSeed(), time.Now())); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRings(b *testing.B) {
	s, _ := open(b)
	for b.Loop() {
		if _, err := s.Rings(b.Context(), store.Deliver, 200, store.RingPatience); err != nil {
			b.Fatal(err)
		}
	}
}

// Heartbeats are carried over a jump of the clock, but not those of a part that has stopped.
func TestCarry(t *testing.T) {
	s, rdb := open(t)
	ctx := t.Context()
	for _, sensor := range []string{"intake", "bounces", "worker"} {
		if err := s.Beat(ctx, sensor); err != nil {
			t.Fatal(err)
		}
	}
	later := s.Now().Add(time.Hour)
	if err := s.Carry(ctx, later, "bounces"); err != nil {
		t.Fatal(err)
	}
	beats, err := rdb.HGetAll(ctx, "rd:{house}:beats").Result()
	if err != nil {
		t.Fatal(err)
	}
	for sensor, carried := range map[string]bool{"intake": true, "worker": true, "bounces": false} {
		if got := beats[sensor] == fmt.Sprint(later.UnixMilli()); got != carried {
			t.Errorf("%s carried: %v", sensor, got)
		}
	}
}
