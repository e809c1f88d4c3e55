package diag

import (
	"testing"

	"github.com/resetd/resetd/internal/ledger"
)

// What a fact of a loop check says, in its own ledger and among those of the house.
func TestSaysLoop(t *testing.T) {
	for _, c := range []struct {
		loop ledger.Loop
		want string
	}{
		{ledger.Loop{Step: ledger.LoopArrived, Arrival: &ledger.Arrival{HELO: "relay.example", SPF: ledger.Judged{Result: "pass"}, DKIM: ledger.Judged{Result: "fail"}, Link: "same", Changes: []string{"A footer."}}},
			"The canary arrived at our receiver from relay.example: SPF pass, DKIM fail, DMARC not judged, link same. A footer."},
		{ledger.Loop{Step: ledger.LoopArrived}, "The canary arrived at our receiver."},
		{ledger.Loop{Step: ledger.LoopPage, Why: "The page answered 502"}, "The page answered 502."},
		{ledger.Loop{Step: ledger.LoopReturnSent, OK: true, Why: "relay.example ok"}, "A mail to the canary's return path was handed over: relay.example ok."},
		{ledger.Loop{Step: ledger.LoopReturnSent}, "A mail to the canary's return path was not taken."},
		{ledger.Loop{Route: "out", OK: true}, "The loop check of us.example by the route out: every link that could be seen holds."},
		{ledger.Loop{Route: "out", Failed: []string{"dkim", "body"}}, "The loop check of us.example by the route out failed at dkim, body. It was changed."},
	} {
		got := Says(ledger.Fact{Event: ledger.Checked, Check: &ledger.Check{Domain: "us.example", Errors: []string{"It was changed."}, Loop: &c.loop}})
		if got != c.want {
			t.Errorf("says %q, want %q", got, c.want)
		}
	}
}
