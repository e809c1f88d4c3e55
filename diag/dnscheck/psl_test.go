package dnscheck

import (
	"os"
	"regexp"
	"testing"
)

// The list's own tests: what older receivers take for the registered domain.
func TestRegisteredByListsTests(t *testing.T) {
	raw, err := os.ReadFile(sharedDir(t, "corpora", "auth", "psl", "data", "test_psl.txt"))
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for _, m := range regexp.MustCompile(`(?m)^checkPublicSuffix\('([^']+)', (?:'([^']+)'|null)\);`).FindAllStringSubmatch(string(raw), -1) {
		in, want := cleanDomain(m[1]), cleanDomain(m[2])
		if m[1][0] == '.' { // no domain name
			continue
		}
		if want == "" {
			want = in // a suffix is its own organization
		}
		cases++
		if got := registered(in); got != want {
			t.Errorf("%s: got %s, want %s", m[1], got, want)
		}
	}
	if cases < 60 {
		t.Errorf("only %d cases were read", cases)
	}
}
