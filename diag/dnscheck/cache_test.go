package dnscheck

import (
	"fmt"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestCache(t *testing.T) {
	z := newZone(t, "a.example. TXT x\nfails.example. FAILS servfail")
	now := time.Unix(1e9, 0)
	c := &Cache{DNS: z, Now: func() time.Time { return now }, Max: 3}
	ask := func(name string, want Outcome, questions int) {
		t.Helper()
		if a := c.Lookup(t.Context(), name, dns.TypeTXT); a.Outcome != want || z.count("TXT") != questions {
			t.Errorf("%s: %s after %d questions, want %s after %d", name, a.Outcome, z.count("TXT"), want, questions)
		}
	}
	ask("a.example", Found, 1)
	ask("A.example.", Found, 1)
	ask("gone.example", NXDomain, 2)
	ask("gone.example", NXDomain, 2)
	ask("fails.example", ServFail, 3)
	ask("fails.example", ServFail, 4) // failures are asked again
	now = now.Add(negativeTTL)
	ask("gone.example", NXDomain, 5)
	ask("a.example", Found, 5)
	now = now.Add(300 * time.Second)
	ask("a.example", Found, 6)
	for i := range 20 {
		c.Lookup(t.Context(), fmt.Sprintf("%d.example", i), dns.TypeTXT)
		if len(c.kept) > 3 {
			t.Fatalf("%d answers are kept", len(c.kept))
		}
	}
}
