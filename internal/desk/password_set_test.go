package desk_test

import (
	"errors"
	"testing"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/token"
)

// The app sets a password and names the user by a login through which nobody ever asked for a reset: the links that went out by another
// login of the same account die all the same. Where the directory is silent, those that the login's own ledger knows do.
func TestPasswordSetByAnotherLogin(t *testing.T) {
	f := newDesk(t)
	tok := f.play(f.ask("jo@a.example"), ledger.Accepted, nil)
	report := func(realm, login string) error {
		return f.Report(t.Context(), app, ledger.NewSeed(), desk.Reported{Realm: realm, Login: login, Kind: "password_set"})
	}
	if err := report("shop", "a-stranger"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Inspect(t.Context(), app, tok, "shop"); err != nil {
		t.Fatalf("after a report about somebody else: %v", err)
	}
	if err := report("shop", "jo"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Redeem(t.Context(), app, ledger.NewSeed(), tok, "shop"); !errors.Is(err, token.ErrReplaced) {
		t.Errorf("a link of the account whose password was set: %v", err)
	}
	if err := report("club", "jo"); err != nil {
		t.Errorf("with a silent directory: %v", err)
	}
}
