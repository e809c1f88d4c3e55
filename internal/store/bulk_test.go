package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
)

// A report counts once, in whatever order reports come, and nothing is kept for ever or without end.
func TestBulk(t *testing.T) {
	s, rdb := open(t)
	ctx := t.Context()
	today := s.Now().Truncate(24 * time.Hour)
	yesterday := today.Add(-24 * time.Hour)
	report := func(id string, day time.Time, n int64) store.Bulk {
		return store.Bulk{Kind: "dmarc", Domain: "shop.example", Day: day, Reporter: "google.com", ID: id, Signed: true, Counts: []store.BulkCount{{"pass", "more", n}, {"fail", "more", 1}}}
	}
	other := report("2", yesterday, 3)
	other.Domain = "other.example"
	same := report("2", yesterday, 40)
	same.Reporter = "outlook.com"
	for i, step := range []struct {
		report store.Bulk
		want   store.BulkKept
	}{
		{report("2", today, 5), store.BulkCounted}, {report("1", yesterday, 10), store.BulkCounted}, {report("1", yesterday, 10), store.BulkKnown},
		{report("1", today, 10), store.BulkKnown}, {same, store.BulkCounted}, {other, store.BulkCounted},
		{report("3", today.Add(-100*24*time.Hour), 1), store.BulkTooOld}, {report("4", today.Add(4*24*time.Hour), 1), store.BulkTooNew},
	} {
		if got, err := s.KeepBulk(ctx, step.report); err != nil || got != step.want {
			t.Errorf("step %d: %s, %v, want %s", i, got, err, step.want)
		}
	}
	days, err := s.Bulks(ctx, "dmarc", "shop.example", yesterday, today)
	if err != nil || len(days) != 2 || days[yesterday]["pass"] != 50 || days[yesterday]["fail"] != 2 || days[today]["pass"] != 5 {
		t.Errorf("%v, %v", days, err)
	}
	for _, key := range rdb.Keys(ctx, "rd:{house}:bulk:*").Val() {
		if left := rdb.PTTL(ctx, key).Val(); left <= 0 || left > store.BulkFor+49*time.Hour {
			t.Errorf("%s lives for %v", key, left)
		}
		if enc := rdb.ObjectEncoding(ctx, key).Val(); enc != "listpack" {
			t.Errorf("%s is a %s", key, enc)
		}
	}
}

// A flood of forged reports cannot crowd out those that are signed, and what has no room is counted all the same.
func TestBulkIsBounded(t *testing.T) {
	s, _ := open(t)
	ctx := t.Context()
	day := s.Now().Truncate(24 * time.Hour)
	flood := func(id string, signed bool) {
		t.Helper()
		b := store.Bulk{Kind: "dmarc", Domain: "shop.example", Day: day, Reporter: "x", ID: id, Signed: signed}
		for i := range 400 {
			b.Counts = append(b.Counts, store.BulkCount{Field: fmt.Sprintf("%s %d", id, i), Spill: "more", N: 1})
		}
		if got, err := s.KeepBulk(ctx, b); err != nil || got != store.BulkCounted {
			t.Fatal(got, err)
		}
	}
	flood("forged", false)
	flood("forged too", false)
	flood("signed", true)
	days, err := s.Bulks(ctx, "dmarc", "shop.example", day, day)
	if err != nil || len(days[day]) > 502 || days[day]["signed 200"] != 1 || days[day]["forged 300"] != 0 {
		t.Errorf("%d fields, %v", len(days[day]), err)
	}
	var n int64
	for _, x := range days[day] {
		n += x
	}
	if n != 1200 {
		t.Errorf("%d mails", n)
	}
}

// What others saw is said once, until its gist is another.
func TestSaySeen(t *testing.T) {
	s, _ := open(t)
	ctx := t.Context()
	f := ledger.Fact{ID: ledger.NewEventID(), At: s.Now(), Event: ledger.Checked, Check: &ledger.Check{Domain: "shop.example", Severity: "ok", Seen: &ledger.Seen{Kind: "dmarc", Mails: 3}}}
	for i, step := range []struct {
		gist string
		said bool
	}{{"ok", true}, {"ok", false}, {"ok but", true}, {"ok", true}} {
		if said, err := s.SaySeen(ctx, f, step.gist); err != nil || said != step.said {
			t.Errorf("step %d: %v, %v", i, said, err)
		}
	}
	facts, _, err := s.House(ctx)
	if err != nil || len(facts) != 3 || facts[2].Check.Seen.Mails != 3 {
		t.Errorf("%d facts, %v", len(facts), err)
	}
}
