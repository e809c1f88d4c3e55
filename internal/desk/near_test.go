package desk_test

import (
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/store"
)

// A directory that names no look-alikes is asked for the spelling that was probably meant: support learns it, the public's answer is the same.
func TestMistypedDomainIsANearMatch(t *testing.T) {
	f := newDesk(t)
	dir := f.Realms[0].Directory.(accounts)
	dir["jo@gmail.com"] = realm.Found{Accounts: []realm.Account{{ID: "u9", Login: "jo@gmail.com", Address: "jo@gmail.com", State: realm.Active}}}
	id := f.ask("jo+shop@gmial.com")
	at, err := f.Store.Find(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	facts, _ := f.Store.Facts(t.Context(), at.Ledger)
	refused := ledger.Fact{ID: ledger.NewEventID(), At: f.Store.Now(), Event: ledger.Refused, Reset: id, Message: facts[0].Message, Refusal: &ledger.Refusal{Why: ledger.WhyUnknownAddress}}
	if err := f.Store.Append(t.Context(), store.LedgerOf("shop", "jo+shop@gmial.com"), refused); err != nil {
		t.Fatal(err)
	}
	cases, err := f.Why(t.Context(), support, desk.Question{Login: "jo+shop@gmial.com", Realm: "shop"})
	if err != nil || cases[0].Verdict.Cause != "request.near_match" || !strings.Contains(cases[0].Verdict.Says, "jo@gmail.com") {
		t.Errorf("%v %+v", err, cases)
	}
}
