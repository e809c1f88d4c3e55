package dnscheck

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A key that signs nothing yet is said to be pending and counts for nothing; whoever cannot ask the daemon says that it may be.
func TestPendingKeys(t *testing.T) {
	tests := []struct {
		what     string
		use      KeyUse
		without  string // of the zone
		with     string
		id       string
		severity Severity
		says     string
	}{
		{"pending and not published", KeyPending, "e1._domainkey", "", "dkim.pending", Note, "not yet in use"},
		{"pending and published now", KeyPending, "", "", "dkim.pending", Note, "from now on"},
		{"pending, and DNS fails", KeyPending, "e1._domainkey", "e1._domainkey.sender.example. FAILS timeout", "dkim.pending", Note, "cannot be read now"},
		{"nobody was asked", KeyUnasked, "e1._domainkey", "", "dkim.pending", Warning, "the key is pending, not yet in use"},
		{"in use", "", "e1._domainkey", "", "dkim.absent", Error, "no key record"},
		{"nobody was asked, and another key stands there", KeyUnasked, "e1._domainkey", `e1._domainkey.sender.example. TXT "v=DKIM1; p="`, "dkim.revoked", Error, "revoked"},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			s := goodSender(t)
			s.q.Selectors[1].Use = tt.use
			if tt.without != "" {
				s = s.without(tt.without)
			}
			r := s.with(tt.with).check(t)
			f := find(r, tt.id)
			if f == nil || f.Severity != tt.severity || !strings.Contains(f.What, tt.says) || f.Subject != "e1._domainkey.sender.example" {
				t.Fatalf("%+v", r.Findings)
			}
			if r.Bad() != (tt.severity == Error) {
				t.Errorf("the report says %s", r.Severity)
			}
		})
	}
	// Where nobody was asked and no key is published at all, none can be pending: a daemon signs with all of them then.
	s := goodSender(t).without("_domainkey")
	s.q.Selectors[0].Use, s.q.Selectors[1].Use = KeyUnasked, KeyUnasked
	if r := s.check(t); find(r, "dkim.absent") == nil || find(r, "dkim.pending") != nil {
		t.Errorf("%+v", r.Findings)
	}
	// A pending key alone signs nothing, so mail is not signed.
	s = goodSender(t).without("r1._domainkey")
	s.q.Selectors[1].Use = KeyPending
	if r := s.check(t); r.metDKIM() != MetNo {
		t.Errorf("DKIM passes by a key that signs nothing: %+v", r.Findings)
	}
}

// Each finding that the code can make stands in some test of this package.
func TestEveryFindingIsTested(t *testing.T) {
	id := regexp.MustCompile(`"((?:domain|dkim|spf|dmarc|ptr|dnsbl|return|mx|dane|mta_sts|tls_rpt)\.[a-z_]+)"`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	made, tested := map[string]string{}, map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range id.FindAllStringSubmatch(string(text), -1) {
			if strings.HasSuffix(file, "_test.go") {
				tested[m[1]] = true
			} else {
				made[m[1]] = file
			}
		}
	}
	if len(made) < 40 {
		t.Fatalf("only %d findings in the code", len(made))
	}
	for f, file := range made {
		if !tested[f] {
			t.Errorf("%s of %s stands in no test", f, file)
		}
	}
}
