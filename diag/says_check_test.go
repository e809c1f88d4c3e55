package diag

import (
	"testing"

	"github.com/resetd/resetd/internal/ledger"
)

// What nothing stands before has not changed: a start is no suspect.
func TestSaysOfAFirstCheck(t *testing.T) {
	for want, c := range map[string]ledger.Check{
		"The first check of a.example found nothing that its mail is refused for.":         {First: true, Severity: "ok"},
		"The first check of a.example found: The key record is gone.":                      {First: true, Severity: "error", Errors: []string{"The key record is gone."}},
		"What DNS says about a.example changed; mail of the domain is not refused for it.": {Severity: "ok"},
		"What DNS says about a.example changed: The key record is gone.":                   {Severity: "error", Errors: []string{"The key record is gone."}},
	} {
		c.Domain, c.Hash = "a.example", "h"
		if got := saysCheck(ledger.Fact{Event: ledger.Checked, Check: &c}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
