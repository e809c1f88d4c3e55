package desk_test

import (
	"testing"
	"time"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
)

// hold puts jo's address on the stop list, as two faults do that happened at a time.
func (f *fixture) hold(at time.Time) {
	f.t.Helper()
	for range 2 {
		if _, err := f.Store.Fault(f.t.Context(), "jo@a.example", ledger.NewMessageID(1, ledger.NewSeed()), ledger.NewEventID(), at, "recipient.unknown_mailbox", "550 5.1.1"); err != nil {
			f.t.Fatal(err)
		}
	}
	if sup, err := f.Store.Suppressed(f.t.Context(), "jo@a.example"); sup == nil || err != nil {
		f.t.Fatal("not held", err)
	}
}

// A person who presses the button behind the link, or an app that redeems it, proves that the mailbox works: the suppression ends, with a
// fact of resetd's own. Fetching the page proves nothing: programs do that. Faults that are newer than the proof stay.
func TestAUsedLinkEndsASuppression(t *testing.T) {
	for _, c := range []struct {
		name   string
		use    func(f *fixture, tok string) error
		fault  time.Duration // from now
		lifted bool
	}{
		{"redeemed", func(f *fixture, tok string) error {
			_, err := f.Redeem(f.t.Context(), app, ledger.NewSeed(), tok, "shop")
			return err
		}, -time.Hour, true},
		{"button pressed", func(f *fixture, tok string) error {
			_, err := f.Proceed(f.t.Context(), tok, desk.Visitor{Method: "POST"})
			return err
		}, -time.Hour, true},
		{"page fetched", func(f *fixture, tok string) error {
			_, err := f.Open(f.t.Context(), tok, desk.Visitor{Method: "GET"})
			return err
		}, -time.Hour, false},
		{"inspected", func(f *fixture, tok string) error { _, err := f.Inspect(f.t.Context(), app, tok, "shop"); return err }, -time.Hour, false},
		{"redeemed before the faults", func(f *fixture, tok string) error {
			_, err := f.Redeem(f.t.Context(), app, ledger.NewSeed(), tok, "shop")
			return err
		}, time.Hour, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newDesk(t)
			id := f.ask("jo@a.example")
			tok := f.play(id, ledger.Accepted, nil)
			f.hold(f.Store.Now().Add(c.fault))
			if err := c.use(f, tok); err != nil {
				t.Fatal(err)
			}
			sup, err := f.Store.Suppressed(t.Context(), "jo@a.example")
			if err != nil || (sup == nil) != c.lifted {
				t.Errorf("held: %+v, %v", sup, err)
			}
			at, _ := f.Store.Find(t.Context(), id)
			facts, _ := f.Store.Facts(t.Context(), at.Ledger)
			var released []ledger.Fact
			for _, x := range facts {
				if x.Event == ledger.Released {
					released = append(released, x)
				}
			}
			if (len(released) == 1) != c.lifted || c.lifted && (released[0].By != "" || released[0].Reason == "" || len(released[0].Hold.Evidence) != 3) {
				t.Errorf("facts of the release: %+v", released)
			}
		})
	}
}
