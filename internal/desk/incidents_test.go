package desk_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/store"
)

// outage plays an incident: people whose mails a provider refuses, the rows of the tally, and the incident itself.
func (f *fixture) outage(n int) (diag.Trouble, []ledger.ResetID) {
	f.t.Helper()
	dir := f.Realms[0].Directory.(accounts)
	since := f.Store.Now()
	var ids []ledger.ResetID
	var rows []store.Row
	for i := range n {
		login := fmt.Sprintf("p%d@a.example", i)
		dir[login] = realm.Found{Accounts: []realm.Account{{ID: "u1", Realm: "shop", Login: login, Address: "jo@a.example", State: realm.Active}}}
		id := f.ask(login)
		f.play(id, ledger.Rejected, func(a *ledger.Attempt) { a.Code, a.Enhanced, a.Text = 550, "5.7.26", "fails DMARC policy" })
		ids = append(ids, id)
		row := diag.Failing{Reset: id, Marks: diag.Marks{Provider: "a.example", Route: "mx", Realm: "shop"}, Cause: "sender.dmarc_rejected"}
		rows = append(rows, store.Row{At: f.Store.Now(), Text: row.Row()})
	}
	if err := f.Store.MarkFailing(f.t.Context(), rows); err != nil {
		f.t.Fatal(err)
	}
	return f.incident(diag.Trouble{ID: ledger.NewIncidentID(ledger.NewSeed()), Kind: diag.OfProvider, Name: "a.example", Cause: "sender.dmarc_rejected", Since: since, Size: n, Says: "Mails fail."}), ids
}

func (f *fixture) incident(t diag.Trouble) diag.Trouble {
	f.t.Helper()
	body, err := json.Marshal(t)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := f.Store.KeepIncident(f.t.Context(), t.ID, t.Since, body); err != nil {
		f.t.Fatal(err)
	}
	return t
}

// An incident stands beside a case's own cause. When it is over, one call sends again to exactly those who still wait, and a second to nobody.
func TestResendAll(t *testing.T) {
	f := newDesk(t)
	tr, ids := f.outage(6)
	cases, err := f.Why(t.Context(), support, desk.Question{Reset: ids[0]})
	if err != nil || len(cases) != 1 || cases[0].Incident == nil || cases[0].Incident.ID != tr.ID || cases[0].Verdict.Cause != "sender.dmarc_rejected" {
		t.Fatalf("%v %+v", err, cases)
	}
	bystander := f.ask("jo@a.example")
	f.play(bystander, ledger.Accepted, nil)
	if cases, _ := f.Why(t.Context(), support, desk.Question{Reset: bystander}); cases[0].Incident != nil {
		t.Error("a mail that was taken is told to be part of it")
	}

	// One has got a mail since, one withdrew, one account was suspended: they do not wait.
	if _, err := f.Resend(t.Context(), admin, ledger.NewSeed(), ids[1], desk.Again{Reason: "by hand", Force: true}); err != nil {
		t.Fatal(err)
	}
	f.play(ids[1], ledger.Accepted, nil)
	dir := f.Realms[0].Directory.(accounts)
	acc := dir["p2@a.example"].Accounts[0]
	acc.State = realm.Suspended
	dir["p2@a.example"] = realm.Found{Accounts: []realm.Account{acc}}

	again := desk.Again{Reason: "the record is back"}
	var bad *desk.Bad
	if _, err := f.ResendAll(t.Context(), ops, ledger.NewSeed(), tr.ID, again); !errors.As(err, &bad) || bad.Code != "incident_open" {
		t.Errorf("while it goes on: %v", err)
	}
	tr.Until = f.Store.Now().Add(time.Second)
	f.incident(tr)
	seed := ledger.NewSeed()
	out, err := f.ResendAll(t.Context(), ops, seed, tr.ID, again)
	if err != nil || out.Resent != 4 || out.Skipped["sent"] != 1 || out.Skipped["ineligible"] != 1 || out.Remaining != 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	for i, id := range ids {
		v, err := f.Reset(t.Context(), admin, id)
		if err != nil {
			t.Fatal(err)
		}
		want := 2
		if i == 2 {
			want = 1
		}
		if len(v.Messages) != want {
			t.Errorf("reset %d has %d mails", i, len(v.Messages))
		}
	}
	out, err = f.ResendAll(t.Context(), ops, ledger.NewSeed(), tr.ID, again)
	if err != nil || out.Resent != 0 || out.Skipped["resent"] != 4 {
		t.Errorf("again: %+v, %v", out, err)
	}
	if _, err := f.ResendAll(t.Context(), ops, seed, "inc_"+strings.Repeat("a", 28), again); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no such incident: %v", err)
	}
	if _, err := f.ResendAll(t.Context(), support, seed, tr.ID, again); !errors.Is(err, desk.ErrForbidden) {
		t.Errorf("by support: %v", err)
	}
	if list, err := f.Incidents(t.Context(), ops); err != nil || len(list) != 1 || list[0].ID != tr.ID {
		t.Errorf("%+v, %v", list, err)
	}
}

// A reset's first visit is counted for the provider whose host took the mail, later ones are not.
func TestFirstVisitIsCounted(t *testing.T) {
	f := newDesk(t)
	tok := f.play(f.ask("jo@a.example"), ledger.Accepted, nil)
	for range 3 {
		if _, err := f.Open(t.Context(), tok, desk.Visitor{Method: "GET", UserAgent: "Mozilla/5.0"}); err != nil {
			t.Fatal(err)
		}
	}
	now := f.Store.Now()
	counts, err := f.Store.Opens(t.Context(), now.Add(-2*time.Hour), now.Add(2*time.Hour))
	if err != nil || counts["a.example o"] != 1 {
		t.Errorf("%v, %v", counts, err)
	}
}
