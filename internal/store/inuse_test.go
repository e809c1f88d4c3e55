package store_test

import (
	"crypto/ed25519"
	"testing"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/store"
)

// Keys whose record was never seen are pending, unless that is so of all of them: then all sign.
func TestInUse(t *testing.T) {
	q := dnscheck.Question{Domain: "d.example"}
	for _, name := range []string{"old", "new"} {
		public, _, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Selectors = append(q.Selectors, dnscheck.Selector{Name: name, Public: public})
	}
	old := store.KeyID("d.example", "old", q.Selectors[0].Public)
	got := store.InUse(q, func(id string) bool { return id == old })
	if len(got.Selectors) != 2 || got.Selectors[0].Use != "" || got.Selectors[1].Use != dnscheck.KeyPending || q.Selectors[1].Use != "" {
		t.Errorf("%+v", got.Selectors)
	}
	for _, s := range store.InUse(q, func(string) bool { return false }).Selectors {
		if s.Use != "" {
			t.Errorf("none was ever seen: %+v", s)
		}
	}
}
