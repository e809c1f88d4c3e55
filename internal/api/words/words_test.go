package words

import (
	"testing"
	"time"

	"github.com/resetd/resetd/diag"
)

// Every word of the contract has words of its own for people, and a tone.
func TestEveryWordIsSaid(t *testing.T) {
	said := map[string]string{}
	once := func(word, text string) {
		t.Helper()
		if text == "" || said[text] != "" {
			t.Errorf("%s is said as %q, like %s", word, text, said[text])
		}
		said[text] = word
	}
	for _, h := range []diag.Helps{diag.HelpsYes, diag.HelpsFutile, diag.HelpsAfterFix, diag.HelpsWait, diag.HelpsOtherChannel, diag.HelpsOnce, diag.HelpsAsReason, diag.HelpsAskAPerson} {
		once(string(h), Helps(h))
		if tone := Tone(h); (tone == "good") != (h == diag.HelpsYes || h == diag.HelpsOnce) || tone != "bad" && (h == diag.HelpsFutile || h == diag.HelpsOtherChannel) {
			t.Errorf("%s sounds %s", h, tone)
		}
	}
	for _, b := range []diag.Blame{"user", "account", "us", "relay", "recipient", "their_policy", "network", "time", "nobody"} {
		once(string(b), Blame(b))
	}
	for _, w := range []diag.Who{diag.Support, diag.Admin, diag.Ops, diag.User, diag.RecipientIT} {
		once(string(w), Who(w))
	}
	for _, c := range []diag.Confidence{diag.Certain, diag.Likely, diag.Possible} {
		once(string(c), Confidence(c))
	}
	for _, why := range []string{"used", "sent", "newer", "refused", "cancelled", "resent", "ineligible", "unknown"} {
		once(why, WaitsNoMore(why))
	}
	asked := diag.Case{Reset: "rst_1", Verdict: diag.Verdict{Resend: diag.Resend{Helps: diag.HelpsYes}}}
	once("a case that was asked", Headline(asked)+" (again)")
	asked.Reset = ""
	once("a case that nobody asked", Headline(asked))
	asked.Verdict.Cause, asked.Near = "request.none", []string{"anna"}
	once("a mistyped login that nobody asked for", Headline(asked))
	asked.Near, asked.Also = nil, []diag.Alternative{{Cause: "request.unknown_address"}}
	if Headline(asked) != "A reset for the right login will help" {
		t.Error("a reset is advised for a login that reaches nobody")
	}
}

func TestTimeIsUTC(t *testing.T) {
	at := time.Date(2026, 11, 24, 9, 5, 7, 0, time.FixedZone("CET", 3600))
	if got := Time(at); got != "24 Nov 2026, 08:05:07 UTC" || Time(time.Time{}) != "" {
		t.Errorf("%q, %q", got, Time(time.Time{}))
	}
}
