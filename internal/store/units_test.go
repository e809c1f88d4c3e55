package store_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
)

// A batch of events is work without a message: kept once, read once, and known for a day after.
func TestUnitIsKeptOnce(t *testing.T) {
	s, rdb := open(t)
	id := store.UnitID("mailgun", "a signature")
	if id == store.UnitID("postmark", "a signature") || id != store.UnitID("mailgun", "a signature") {
		t.Fatal("a unit is not named by its source and name")
	}
	for i := range 2 {
		_, isNew, err := s.KeepUnit(t.Context(), id, []byte("sealed"))
		if err != nil || isNew != (i == 0) {
			t.Fatalf("time %d: new %v, %v", i+1, isNew, err)
		}
	}
	c, err := s.Claim(t.Context(), string(id), "w", time.Minute)
	if err != nil || c.Message != "" || c.Kind != store.Digest {
		t.Fatalf("%+v, %v", c, err)
	}
	if err := s.Renew(t.Context(), c, time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := s.Settle(t.Context(), c, store.Plan{}); err != nil {
		t.Fatal(err)
	}
	if _, isNew, err := s.KeepUnit(t.Context(), id, []byte("sealed")); isNew || err != nil {
		t.Errorf("after it was read: new %v, %v", isNew, err)
	}
	if q, _ := s.Status(t.Context()); q.Returns != 0 {
		t.Errorf("%d returns to read", q.Returns)
	}
	keys, _ := rdb.Keys(t.Context(), "*work:"+string(id)).Result()
	if len(keys) != 1 || rdb.PTTL(t.Context(), keys[0]).Val() <= 0 {
		t.Errorf("keys %v have no end", keys)
	}
}

// Of many that tell the same thing at once, one writes it.
func TestRecordIsExactlyOnce(t *testing.T) {
	s, _ := open(t)
	f := accept(t, s, "jo@a.example")
	w, err := s.MessageAt(t.Context(), f.Message)
	if err != nil {
		t.Fatal(err)
	}
	var wrote atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			became, err := s.Record(t.Context(), w, "ses", "e1", ledger.Fact{ID: ledger.NewEventID(), At: s.Now(), Event: ledger.Confirmed, Reset: f.Reset, Message: f.Message})
			if err != nil {
				t.Error(err)
			}
			if became == store.Wrote {
				wrote.Add(1)
			}
		})
	}
	wg.Wait()
	facts, _ := s.Facts(t.Context(), w.Ledger)
	if wrote.Load() != 1 || len(facts) != 2 {
		t.Errorf("%d wrote it, %d facts", wrote.Load(), len(facts))
	}
	if known, err := s.Knows(t.Context(), w, "ses", "e1"); !known || err != nil {
		t.Error(known, err)
	}
	if known, _ := s.Knows(t.Context(), w, "mailgun", "e1"); known {
		t.Error("another source's event of the same name is known")
	}
}

// Whoever has the mail can make any number of visits; a bounce is still written.
func TestVisitsDoNotCrowdOutABounce(t *testing.T) {
	s, _ := open(t)
	f := accept(t, s, "jo@a.example")
	w, _ := s.MessageAt(t.Context(), f.Message)
	var last store.Recorded
	for i := range store.VisitedEventsKept + 1 {
		last, _ = s.Record(t.Context(), w, "ses", "open"+time.Duration(i).String(), ledger.Fact{Event: ledger.Opened, Visit: &ledger.Visit{Via: "ses"}})
	}
	if last != store.HadEnough {
		t.Errorf("the last visit became %v", last)
	}
	if became, err := s.Record(t.Context(), w, "ses", "b", ledger.Fact{Event: ledger.Bounced, Return: &ledger.Return{}}); became != store.Wrote || err != nil {
		t.Errorf("the bounce became %v, %v", became, err)
	}
	gone := w
	gone.Message = ledger.NewMessageID(w.Ledger.Partition(), ledger.NewSeed())
	if _, err := s.Record(t.Context(), gone, "ses", "b", ledger.Fact{}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("for a message that never was: %v", err)
	}
}

// A proof takes away the faults before it and lifts the suppression that rested on them, and none that rests on later ones.
func TestProofEndsASuppression(t *testing.T) {
	const jo = "jo@a.example"
	fault := func(t *testing.T, s *store.Store, at time.Time) *store.Suppression {
		t.Helper()
		sup, err := s.Fault(t.Context(), jo, ledger.NewMessageID(1, ledger.NewSeed()), ledger.NewEventID(), at, "recipient.unknown_mailbox", "550 no")
		if err != nil {
			t.Fatal(err)
		}
		return sup
	}
	for _, c := range []struct {
		name          string
		faults        []time.Duration // before now
		proof         time.Duration   // before now
		lifted, still bool
	}{
		{"proof after both", []time.Duration{3 * time.Hour, 2 * time.Hour}, time.Hour, true, false},
		{"a late report of a delivery before them", []time.Duration{3 * time.Hour, 2 * time.Hour}, 4 * time.Hour, false, true},
		{"proof between them: one fault is no pattern", []time.Duration{3 * time.Hour, time.Hour}, 2 * time.Hour, true, false},
		{"two after the proof are one", []time.Duration{4 * time.Hour, 2 * time.Hour, time.Hour}, 3 * time.Hour, false, true},
		{"nothing was held", []time.Duration{2 * time.Hour}, time.Hour, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := open(t)
			now := s.Now()
			for _, ago := range c.faults {
				fault(t, s, now.Add(-ago))
			}
			lifted, err := s.Prove(t.Context(), "jo@A.example", now.Add(-c.proof))
			if err != nil || (lifted != nil) != c.lifted {
				t.Fatalf("lifted %+v, %v", lifted, err)
			}
			if lifted != nil && (lifted.Address != jo || len(lifted.Evidence) < 2 || lifted.Cause != "recipient.unknown_mailbox") {
				t.Errorf("lifted %+v", lifted)
			}
			if held, _ := s.Suppressed(t.Context(), jo); (held != nil) != c.still {
				t.Errorf("held %+v", held)
			}
			if list, _ := s.Suppressions(t.Context(), 0, 10); (len(list) == 1) != c.still {
				t.Errorf("listed %+v", list)
			}
		})
	}
	t.Run("a fault before the proof does not help the next one", func(t *testing.T) {
		s, _ := open(t)
		fault(t, s, s.Now().Add(-time.Hour))
		if _, err := s.Prove(t.Context(), jo, s.Now()); err != nil {
			t.Fatal(err)
		}
		if sup := fault(t, s, s.Now().Add(time.Second)); sup != nil {
			t.Errorf("suppressed by one fault since the proof: %+v", sup)
		}
	})
}

// Faults and suppressions end by themselves.
func TestSuppressionDecays(t *testing.T) {
	s, rdb := open(t)
	for range 2 {
		if _, err := s.Fault(t.Context(), "jo@a.example", ledger.NewMessageID(1, ledger.NewSeed()), ledger.NewEventID(), s.Now(), "recipient.unknown_mailbox", ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, pattern := range []string{"*suppressed:*", "*faults:*"} {
		keys, _ := rdb.Keys(t.Context(), pattern).Result()
		if len(keys) != 1 {
			t.Fatalf("%s: %v", pattern, keys)
		}
		if left := rdb.PTTL(t.Context(), keys[0]).Val(); left <= 29*24*time.Hour || left > 30*24*time.Hour {
			t.Errorf("%s lives for %v", keys[0], left)
		}
	}
	if sup, _ := s.Suppressed(t.Context(), "jo@a.example"); sup == nil || sup.Until.Sub(sup.Since) != store.HoldFor {
		t.Errorf("%+v", sup)
	}
	// A fault from before the window makes no pattern with one of today.
	old := s.Now().Add(-store.FaultWindow - time.Minute)
	for i, at := range []time.Time{old, s.Now()} {
		sup, err := s.Fault(t.Context(), "al@a.example", ledger.NewMessageID(1, ledger.NewSeed()), ledger.NewEventID(), at, "recipient.unknown_mailbox", "")
		if sup != nil || err != nil {
			t.Errorf("fault %d: %+v, %v", i+1, sup, err)
		}
	}
}

// What was written to an address is found by recipient and time.
func TestWrittenTo(t *testing.T) {
	s, _ := open(t)
	m := ledger.NewMessageID(1, ledger.NewSeed())
	if err := s.Write(t.Context(), "Jo@a.example", m); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		address string
		before  time.Duration
		found   int
	}{{"Jo@A.example", time.Minute, 1}, {"jo@a.example", time.Minute, 0}, {"Jo@a.example", -time.Minute, 0}, {"Jo@a.example", store.WrittenFor + time.Hour, 0}} {
		if list, err := s.WrittenTo(t.Context(), c.address, s.Now().Add(c.before)); len(list) != c.found || err != nil {
			t.Errorf("%s, %v from now: %v, %v", c.address, c.before, list, err)
		}
	}
}

// A sensor that was taken away is not blind, however long nothing comes from it.
func TestForgottenSensorIsNotBlind(t *testing.T) {
	s, rdb := open(t)
	if err := s.Beat(t.Context(), "events:ses"); err != nil {
		t.Fatal(err)
	}
	if err := rdb.HSet(t.Context(), "rd:{house}:beats", "events:ses", s.Now().Add(-time.Hour).UnixMilli()).Err(); err != nil {
		t.Fatal(err)
	}
	if _, blind, err := s.House(t.Context()); err != nil || len(blind) != 1 {
		t.Fatalf("%+v, %v", blind, err)
	}
	if err := s.Forget(t.Context(), "events:ses"); err != nil {
		t.Fatal(err)
	}
	if _, blind, err := s.House(t.Context()); err != nil || len(blind) != 0 {
		t.Errorf("%+v, %v", blind, err)
	}
}
