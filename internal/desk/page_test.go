package desk_test

import (
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/desk"
)

// Support types what they hear: nobody says "https://" on the phone.
func TestWhyKnowsASpokenPage(t *testing.T) {
	f := newDesk(t)
	for page, says := range map[string]string{
		"https://staff.us.example/login":      "staff (https://staff.us.example/login)",
		"staff.us.example/login":              "staff (https://staff.us.example/login)",
		"//staff.us.example/login":            "staff (https://staff.us.example/login)",
		"STAFF.us.example":                    "staff (https://STAFF.us.example)",
		"https://jo:secret@staff.us.example/": "staff (https://staff.us.example/)",
		"staff.us.example@evil.example/login": "a page that is none of ours (https://evil.example/login)",
		"staff.us.example.evil.example":       "a page that is none of ours (https://staff.us.example.evil.example)",
		"javascript:alert(1)":                 "a page that is none of ours (javascript:alert(1))",
		"the blue one":                        "a page that is none of ours (the blue one)",
	} {
		cases, err := f.Why(t.Context(), support, desk.Question{Login: "jo@a.example", Realm: "shop", Page: page})
		if err != nil {
			t.Fatal(err)
		}
		if got := cases[0].Verdict.Says; !strings.Contains(got, "asked on "+says+", not on shop.") {
			t.Errorf("%q: %s", page, got)
		}
	}
}
