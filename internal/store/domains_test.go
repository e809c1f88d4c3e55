package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
)

// A report is kept with each check; only one that says something else leaves a fact.
func TestReports(t *testing.T) {
	s, _ := open(t)
	ctx := context.Background()
	r := dnscheck.Report{Domain: "shop.example", At: s.Now(), Severity: dnscheck.OK, Findings: []dnscheck.Finding{{ID: "spf.ok", Severity: dnscheck.OK, What: "SPF is in order."}}}
	bad := r
	bad.Severity = dnscheck.Error
	bad.Findings = []dnscheck.Finding{{ID: "dkim.absent", Severity: dnscheck.Error, What: "The key record is gone.", Cause: "sender.dkim_key_mismatch"}}
	for i, step := range []struct {
		report  dnscheck.Report
		changed bool
	}{{r, true}, {r, false}, {bad, true}, {bad, false}, {r, true}} {
		step.report.At = s.Now().Add(time.Duration(i) * time.Hour)
		changed, err := s.KeepReport(ctx, step.report, "", "")
		if err != nil || changed != step.changed {
			t.Fatalf("step %d: changed %v, %v", i, changed, err)
		}
	}
	facts, _, err := s.House(ctx)
	if err != nil || len(facts) != 3 {
		t.Fatalf("%d facts, %v", len(facts), err)
	}
	c := facts[1].Check
	if facts[1].Event != ledger.Checked || c.Domain != "shop.example" || c.Severity != "error" || c.Errors[0] != "The key record is gone." || c.Causes[0] != "sender.dkim_key_mismatch" {
		t.Errorf("%+v", c)
	}
	if !facts[0].Check.First || facts[1].Check.First || facts[2].Check.First {
		t.Error("only the first report has none before it")
	}
	all, err := s.Reports(ctx)
	if got := all["shop.example"]; err != nil || got.Severity != dnscheck.OK || got.Hash() != r.Hash() {
		t.Errorf("%+v, %v", got, err)
	}
}

// A key's record counts from the first time that it was seen; who signs now is told by the last time.
func TestKeysSeenAndSigning(t *testing.T) {
	s, _ := open(t)
	ctx := context.Background()
	for i := range 2 {
		if first, err := s.NoteKey(ctx, "r1._domainkey.shop.example abc"); err != nil || first != (i == 0) {
			t.Errorf("note %d: first %v, %v", i, first, err)
		}
	}
	seen, err := s.SeenKeys(ctx)
	if _, ok := seen["r1._domainkey.shop.example abc"]; err != nil || !ok {
		t.Errorf("%v, %v", seen, err)
	}
	if err := errors.Join(s.NoteSigning(ctx), s.NoteSigning(ctx, "r1._domainkey.shop.example")); err != nil {
		t.Error(err)
	}
	if at, err := s.Signing(ctx); err != nil || at["r1._domainkey.shop.example"].IsZero() {
		t.Errorf("%v, %v", at, err)
	}
}

// Probes are counted for each caller apart.
func TestProbesAreCounted(t *testing.T) {
	s, _ := open(t)
	limit := store.Limit{N: 2, Per: time.Minute}
	for i, want := range []bool{true, true, false} {
		if a, err := s.SpendProbe(context.Background(), "desk", limit); err != nil || a.OK != want {
			t.Errorf("probe %d: %+v, %v", i, a, err)
		}
	}
	if a, err := s.SpendProbe(context.Background(), "another", limit); err != nil || !a.OK {
		t.Errorf("%+v, %v", a, err)
	}
}
