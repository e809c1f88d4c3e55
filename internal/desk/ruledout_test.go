package desk_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/token"
)

// Causes that the design rules out: each test shows that it cannot happen here. From outside a report can name them (docs/causes.md).

// link.other_browser: who opens the link, presses the button and redeems may be three different programs.
func TestLinkIsBoundToNoBrowser(t *testing.T) {
	f := newDesk(t)
	tok := f.play(f.ask("jo@a.example"), ledger.Accepted, nil)
	if _, err := f.Open(t.Context(), tok, desk.Visitor{Method: "GET", IP: "192.0.2.1", UserAgent: "one"}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Proceed(t.Context(), tok, desk.Visitor{Method: "POST", IP: "198.51.100.7", UserAgent: "another"}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Redeem(t.Context(), app, ledger.NewSeed(), tok, "shop"); err != nil {
		t.Error(err)
	}
}

// link.too_many_attempts: wrong tokens, however many, use nothing up.
func TestWrongTokensUseNothingUp(t *testing.T) {
	f := newDesk(t)
	tok := f.play(f.ask("jo@a.example"), ledger.Accepted, nil)
	wrong := tok[:len(tok)-1] + strings.Map(func(r rune) rune {
		if r == 'a' {
			return 'b'
		}
		return 'a'
	}, tok[len(tok)-1:])
	for range 200 {
		if _, err := f.Redeem(t.Context(), app, ledger.NewSeed(), wrong, "shop"); !errors.Is(err, token.ErrMalformed) {
			t.Fatal(err)
		}
	}
	if _, err := f.Redeem(t.Context(), app, ledger.NewSeed(), tok, "shop"); err != nil {
		t.Error(err)
	}
}

// suppressed.lookalike and suppressed.old_address: an entry holds for its exact address, whoever's it was.
func TestSuppressionIsOfOneAddress(t *testing.T) {
	f := newDesk(t)
	for i := range 2 {
		m := ledger.NewMessageID(0, ledger.NewSeed())
		if _, err := f.Store.Fault(t.Context(), "j.o@a.example", m, ledger.NewEventID(), f.Store.Now().Add(time.Duration(i)), "recipient.unknown_mailbox", "550"); err != nil {
			t.Fatal(err)
		}
	}
	if sup, err := f.Store.Suppressed(t.Context(), "j.o@a.example"); sup == nil || err != nil {
		t.Fatal("not suppressed", err)
	}
	for _, other := range []string{"jo@a.example", "j.o+x@a.example", "J.o@a.example", "j.o@b.example"} {
		if sup, err := f.Store.Suppressed(t.Context(), other); sup != nil || err != nil {
			t.Errorf("%s is held by the entry of another address", other)
		}
	}
}

// A report may name a cause that only its sender can see, and no other.
func TestReportNamesACause(t *testing.T) {
	f := newDesk(t)
	report := func(login, detail string) error {
		return f.Report(t.Context(), app, ledger.NewSeed(), desk.Reported{Realm: "shop", Login: login, Kind: "page_failed", Detail: detail})
	}
	var bad *desk.Bad
	for _, detail := range []string{"cause: recipient.mailbox_full", "cause: account.suspended; x", "cause: nonsense", "Cause:"} {
		if err := report("jo@a.example", detail); !errors.As(err, &bad) || bad.Code != "bad_request" {
			t.Errorf("%q: %v", detail, err)
		}
	}
	for _, id := range diag.Statable() {
		login := id + "@a.example"
		if err := report(login, "cause: "+id+"; as our own log says"); err != nil {
			t.Fatal(err)
		}
		cases, err := f.Why(t.Context(), support, desk.Question{Login: login, Realm: "shop"})
		if err != nil {
			t.Fatal(err)
		}
		said := cases[0].Verdict.Cause == id
		for _, a := range cases[0].Also {
			said = said || a.Cause == id
		}
		if !said {
			t.Errorf("%s is not told: %s", id, cases[0].Verdict.Cause)
		}
	}
}
