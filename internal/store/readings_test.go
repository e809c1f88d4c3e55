package store_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/ledger"
)

// What DNS said is found by its hash.
func TestDNSIsKept(t *testing.T) {
	s, _ := open(t)
	ctx := context.Background()
	r := dnscheck.Reading{Records: []dnscheck.Record{{Kind: dnscheck.RecordSPF, Name: "b.example", State: "pass"}}}
	if err := s.KeepDNS(ctx, "h1", r); err != nil {
		t.Fatal(err)
	}
	got, err := s.DNS(ctx, "h1", "h2")
	if err != nil || len(got) != 1 || len(got["h1"].Records) != 1 || got["h1"].Records[0] != r.Records[0] {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := s.DNS(ctx); err != nil || len(got) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// A record that becomes another one is one fact, however many workers see it at once.
func TestChangesOfRecordsAreFacts(t *testing.T) {
	s, _ := open(t)
	ctx := context.Background()
	with := func(state string) dnscheck.Reading {
		return dnscheck.Reading{Records: []dnscheck.Record{{Kind: dnscheck.RecordDKIM, Name: "k._domainkey.d.example", State: state, Text: "v=DKIM1; p=" + state},
			{Kind: dnscheck.RecordDMARC, Name: "d.example", State: "reject"}}}
	}
	at := s.Now()
	if c, err := s.FollowRecords(ctx, "d.example", with("match"), at); err != nil || len(c) != 0 {
		t.Fatalf("%+v, %v", c, err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := s.FollowRecords(ctx, "d.example", with("absent"), at.Add(time.Minute)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	facts, _, err := s.House(ctx)
	if err != nil || len(facts) != 1 || facts[0].Event != ledger.Checked || !facts[0].At.Equal(at.Add(time.Minute).UTC().Truncate(time.Millisecond)) {
		t.Fatalf("%+v, %v", facts, err)
	}
	c := facts[0].Check
	if c.Hash != "" || c.Domain != "d.example" || c.Severity != "error" || len(c.Causes) != 1 || c.Causes[0] != "sender.dkim_key_mismatch" || len(c.Changes) != 1 {
		t.Fatalf("%+v", c)
	}
	if x := c.Changes[0]; x.Kind != "dkim" || x.Was.State != "match" || x.Now.State != "absent" || x.Good || !x.Seen.Equal(at) || x.Was.Text == "" {
		t.Errorf("%+v", x)
	}
	if c, err := s.FollowRecords(ctx, "d.example", with("match"), at.Add(time.Hour)); err != nil || len(c) != 1 || !c[0].Now.Good() {
		t.Errorf("%+v, %v", c, err)
	}
}
