package store_test

import (
	"testing"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/store"
)

// A recipient's MTA-STS policy is one worker's find and all workers' knowledge, for as long as its owner said.
func TestSTSPolicies(t *testing.T) {
	s, rdb := open(t)
	other := store.New(rdb, store.Options{})
	now := s.Now()
	if c, err := other.STSPolicy(t.Context(), "d.example"); err != nil || c.Valid(now) || !c.Fetched.IsZero() {
		t.Fatalf("nothing is kept yet: %+v, %v", c, err)
	}
	kept := dnscheck.STSCached{ID: "1", Policy: dnscheck.STSPolicy{Mode: "enforce", MX: []string{"mx.d.example"}, MaxAge: time.Hour}, Fetched: now}
	if err := s.KeepSTSPolicy(t.Context(), "d.example", kept); err != nil {
		t.Fatal(err)
	}
	c, err := other.STSPolicy(t.Context(), "d.example")
	if err != nil || !c.Valid(now) || c.ID != "1" || !c.Policy.Covers("mx.d.example") || c.Policy.Mode != "enforce" {
		t.Fatalf("%+v, %v", c, err)
	}
	keys, err := rdb.Keys(t.Context(), "*mta-sts*").Result()
	if err != nil || len(keys) != 1 {
		t.Fatalf("keys %v, %v", keys, err)
	}
	if ttl := rdb.PTTL(t.Context(), keys[0]).Val(); ttl <= 59*time.Minute || ttl > time.Hour {
		t.Errorf("it is kept for %s", ttl)
	}
	// That a fetch failed is kept too, beside the policy that still binds; alone it is kept for as long as it is not tried again.
	failed := dnscheck.STSCached{Tried: now, TriedID: "2", Why: "status 404"}
	if err := s.KeepSTSPolicy(t.Context(), "e.example", failed); err != nil {
		t.Fatal(err)
	}
	if c, err := other.STSPolicy(t.Context(), "e.example"); err != nil || c.TriedID != "2" || c.Valid(now) {
		t.Errorf("%+v, %v", c, err)
	}
	// max_age 0 binds one mail, and is not kept.
	if err := s.KeepSTSPolicy(t.Context(), "f.example", dnscheck.STSCached{ID: "1", Fetched: now}); err != nil {
		t.Fatal(err)
	}
	if c, _ := other.STSPolicy(t.Context(), "f.example"); !c.Fetched.IsZero() {
		t.Errorf("%+v", c)
	}
}
