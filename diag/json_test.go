package diag

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// What there is not is null, and lists are never null.
func TestCaseJSON(t *testing.T) {
	raw, err := json.Marshal(Diagnose(Input{Login: "jo@mail.example", Now: day0}))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"realm":null`, `"account":null`, `"reset":null`, `"message":null`, `"incident":null`, `"also":[]`, `"timeline":[]`, `"blind_spots":[]`,
		`"evidence":[]`, `"login":"jo@mail.example"`, `"cause":"request.none"`, `"helps":"helps"`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("%s lacks %s", raw, want)
		}
	}
	if strings.Contains(string(raw), "not_before") {
		t.Errorf("a time that is not known is left out: %s", raw)
	}
}

func TestCaseJSONTimesAreUTC(t *testing.T) {
	in := usualInput()
	f, err := readFact("08:00 requested", 1, &in)
	if err != nil {
		t.Fatal(err)
	}
	f.At = f.At.In(time.FixedZone("", 3600))
	in.Timeline = ledger.Fold([]ledger.Fact{f})
	raw, err := json.Marshal(Diagnose(in))
	if err != nil || !strings.Contains(string(raw), `"timeline":[{"at":"2026-11-24T08:00:00Z","fact":"requested","says":"A reset was asked for."}]`) {
		t.Errorf("%v %s", err, raw)
	}
	for _, want := range []string{`"realm":"shop"`, `"account":{"id":"u1","state":"active","login_method":"password"}`, `"reset":"r1"`, `"message":"m1"`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("%s lacks %s", raw, want)
		}
	}
}

func TestCanHelp(t *testing.T) {
	for _, test := range []struct {
		cause string
		helps Helps
		want  Help
	}{
		{"recipient.mailbox_full", HelpsWait, Help{HelpsWait, false}},
		{"account.sso", HelpsFutile, Help{HelpsFutile, true}},
		{"account.suspended", HelpsFutile, Help{HelpsFutile, true}},
		{"account.suspended", HelpsYes, Help{HelpsYes, false}}, // it was lifted since
		{"account.no_address", HelpsAfterFix, Help{HelpsAfterFix, true}},
		{"request.near_match", HelpsYes, Help{HelpsYes, false}},
	} {
		got := CanHelp(Case{Verdict: Verdict{Cause: test.cause, Resend: Resend{Helps: test.helps}}})
		if got != test.want {
			t.Errorf("%s %s: %v", test.cause, test.helps, got)
		}
	}
}
